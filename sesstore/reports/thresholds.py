"""Charts over all thresholds: ROC and precision against recall, of classes and of proteins.

Curves are of the scores themselves, thinned to what a screen can show; the points where a number of
the page is read off are always among them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..tasks import Problem
from ..training.intervals import Predicted
from ..training.metrics import protein_centric
from .figures import Chart, charting
from .material import Material

CURVES = 6
"""Classes in a chart; of more, the most frequent."""
POINTS = 150
"""Points of a curve."""

Numbers = NDArray[np.float64]


def curve_classes(material: Material) -> list[int]:
    """Classes with a curve: of two the second, as in AUROC; of more the most frequent ones."""
    truth = _truth(material, material.predicted[0])
    able = [k for k in range(truth.shape[1]) if 0 < truth[:, k].sum() < len(truth)]
    if material.problem is not Problem.MULTI_LABEL and truth.shape[1] == 2:
        return [k for k in able if k == 1]
    return sorted(able, key=lambda k: -int(truth[:, k].sum()))[:CURVES]


def roc(scores: Numbers, truth: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """Return false and true positive rates, from the highest threshold to the lowest."""
    hits, misses = _counts(scores, truth)
    return misses / max(int((~truth).sum()), 1), hits / max(int(truth.sum()), 1)


def precision_recall(scores: Numbers, truth: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """Return recall and precision, from the highest threshold to the lowest."""
    hits, misses = (counts[1:] for counts in _counts(scores, truth))
    return hits / max(int(truth.sum()), 1), hits / (hits + misses)


def roc_chart(material: Material) -> Chart:
    """True against false positive rate of each class against the rest, a line a seed."""
    return _class_chart(material, "false positive rate", "true positive rate")


def precision_recall_chart(material: Material) -> Chart:
    """Precision against recall of each class, a line a seed."""
    return _class_chart(material, "recall", "precision")


def _class_chart(material: Material, x: str, y: str) -> Chart:
    alt = charting()
    curve = roc if y == "true positive rate" else precision_recall
    rows = []
    for place, run in enumerate(material.predicted):
        scores, truth = run.scores.double().numpy(), _truth(material, run)
        for k in curve_classes(material):
            across, up = curve(scores[:, k], truth[:, k])
            name = material.classes[k].name
            rows += [
                {x: float(across[i]), y: float(up[i]), "class": name, "line": f"{k}/{place}",
                 "order": order}
                for order, i in enumerate(_thinned(len(across)))
            ]  # fmt: skip
    names = [material.classes[k].name for k in curve_classes(material)]
    scale = alt.Scale(domain=[0, 1])
    colour = alt.Color("class:N", sort=names, legend=alt.Legend(title=None, columns=2))
    numbers = [alt.Tooltip(f"{name}:Q", format=".3f") for name in (x, y)]
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X(f"{x}:Q", scale=scale, title=x),
            y=alt.Y(f"{y}:Q", scale=scale, title=y),
            order="order:Q",
            detail="line:N",
            tooltip=["class:N", *numbers],
            **({"color": colour} if len(names) > 1 else {}),
        )
    )
    if curve is roc:
        ends = alt.Data(values=[{x: v, y: v} for v in (0, 1)])
        chance = alt.Chart(ends).mark_line(style="aside").encode(x=f"{x}:Q", y=f"{y}:Q")
        lines = chance + lines
    chart: Chart = lines.properties(height=320)
    return chart


def protein_centric_chart(material: Material) -> Chart:
    """Precision against recall, protein-centric as in CAFA, a line a seed; each F1max is a ring."""
    alt = charting()
    rows, rings = [], []
    for place, run in enumerate(material.predicted):
        thresholds, precision, recall = protein_centric(run.scores, run.labels)
        f1 = 2 * precision * recall / np.clip(precision + recall, 1e-12, None)
        top = int(f1.argmax())
        for i in sorted({*_thinned(len(f1)), top}):
            rows.append(
                {"recall": float(recall[i]), "precision": float(precision[i]), "seed": str(place),
                 "threshold": float(thresholds[i]), "F1": float(f1[i])}
            )  # fmt: skip
            if i == top:
                rings.append(rows[-1])
    scale = alt.Scale(domain=[0, 1])
    numbers = ("recall", "precision", "threshold", "F1")
    tooltip = [alt.Tooltip(f"{name}:Q", format=".3f") for name in numbers]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("recall:Q", scale=scale, title="recall, mean over proteins"),
        y=alt.Y("precision:Q", scale=scale, title="precision"),
        order="threshold:Q",
        detail="seed:N",
        tooltip=tooltip,
    )
    best = alt.Chart(alt.Data(values=rings)).encode(x="recall:Q", y="precision:Q", tooltip=tooltip)
    mark = best.mark_point(size=120, strokeWidth=2, filled=False)
    first = alt.Chart(alt.Data(values=rings[:1])).encode(x="recall:Q", y="precision:Q")
    # Below and to the left of the ring the curve leaves room wherever it runs.
    text = f"F1max {material.mean('f1max'):.3f}"
    label = first.mark_text(align="right", dx=-12, dy=16, text=text)
    chart: Chart = (base.mark_line(strokeWidth=2) + mark + label).properties(height=320)
    return chart


def _truth(material: Material, run: Predicted) -> NDArray[np.bool_]:
    """Whether each row has each class, shape=(N, C)."""
    labels = run.labels.numpy()
    if material.problem is Problem.MULTI_LABEL:
        return np.asarray(labels > 0)
    return np.asarray(labels.astype(int)[:, None] == np.arange(run.scores.shape[1])[None])


def _counts(scores: Numbers, truth: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """True and false positives at every threshold; equal scores are one threshold."""
    order = np.argsort(-scores, kind="stable")
    ranked, right = scores[order], truth[order]
    last_of_ties = np.append(ranked[1:] != ranked[:-1], True)
    hits = np.cumsum(right)[last_of_ties]
    misses = np.cumsum(~right)[last_of_ties]
    return np.append(0.0, hits), np.append(0.0, misses)


def _thinned(count: int) -> list[int]:
    """At most `POINTS` places of a curve, its ends among them."""
    return sorted(set(np.linspace(0, count - 1, min(count, POINTS)).astype(int).tolist()))
