"""Charts of scores: learning curves, metrics with intervals, confusion, scatter, classes.

Each takes findings and returns an altair chart without a width: pages and files choose it. Several
trainings are told apart by colour, seeds of one are lines of one colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..training.findings import Findings
from .figures import Chart, charting

CLASSES = 25
"""Classes in a chart; of more, the most frequent."""
POINTS = 4000
"""Points of a scatter; of more, so many are drawn at random."""

IN_UNITS = ("rmse", "mae")
"""Metrics in units of what is predicted, which do not belong on an axis from 0 to 1."""

NAMES = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "mcc": "MCC",
    "f1": "F1 (macro)", "f1_micro": "F1 (micro)", "precision": "precision", "recall": "recall",
    "auroc": "AUROC", "auprc": "AUPRC", "f1max": "F1max", "spearman": "Spearman",
    "pearson": "Pearson", "rmse": "RMSE", "mae": "MAE", "r2": "R²",
}  # fmt: skip
"""Metrics as people write them."""


def curves(found: Sequence[Findings], what: str) -> Chart:
    """Draw a figure of each epoch: ``"loss"``, or the monitor on valid; the kept epoch is marked.

    Parameters
    ----------
    found : sequence of Findings
        Trainings of one task.
    what : str
        ``"loss"`` or ``"monitor"``.
    """
    alt = charting()
    rows = [
        {
            "run": each.name,
            "seed": f"{each.name}, seed {run.config['fit']['seed']}",
            "epoch": entry["epoch"],
            "value": entry["loss"] if what == "loss" else entry["valid"][each.monitor],
            "kept": bool(entry.get("best")) and entry["epoch"] == run.best_epoch,
        }
        for each in found
        for run in each.runs
        for entry in run.history
    ]
    last = max(row["epoch"] for row in rows)
    ticks = list(range(1, last + 1, -(-last // 12)))
    monitor = NAMES.get(found[0].monitor, found[0].monitor)
    title = "training loss" if what == "loss" else f"{monitor} on valid"
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(values=ticks, format="d")),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
        detail="seed:N",
        tooltip=["seed:N", "epoch:Q", alt.Tooltip("value:Q", title=title, format=".4f")],
        **_coloured(alt, found),
    )
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=24))
    kept = base.mark_point(size=110, strokeWidth=2, filled=False).transform_filter("datum.kept")
    made: Chart = (line + kept).properties(height=240)
    return made


def dots(found: Sequence[Findings]) -> Chart:
    """Each metric's mean with its 95 % interval; those in units of what is predicted left out."""
    alt = charting()
    names = [name for name in found[0].values[found[0].split] if name not in IN_UNITS]
    rows = [
        {
            "run": each.name,
            "metric": NAMES.get(name, name),
            "value": each.mean(name),
            "low": each.intervals[name][0],
            "high": each.intervals[name][1],
        }
        for each in found
        for name in names
        if not np.isnan([each.mean(name), *each.intervals[name]]).any()
    ]
    offset = {"yOffset": alt.YOffset("run:N", sort=None)} if len(found) > 1 else {}
    y = alt.Y("metric:N", title=None, sort=[NAMES.get(n, n) for n in names])
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=y, **offset, **_coloured(alt, found), tooltip=_interval_tooltip(alt, "metric", found)
    )
    interval = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q")
    scale = alt.Scale(zero=False, nice=True)
    x = alt.X("value:Q", title=f"{found[0].split}, 95 % interval", scale=scale)
    height = max(26, 14 * len(found)) * len({row["metric"] for row in rows})
    dot = base.mark_circle(size=70, opacity=1).encode(x=x)
    made: Chart = (interval + dot).properties(height=height)
    return made


def _interval_tooltip(alt: Any, what: str, found: Sequence[Findings]) -> list[Any]:
    numbers = [alt.Tooltip(f"{name}:Q", format=".4f") for name in ("value", "low", "high")]
    return [*(["run:N"] if len(found) > 1 else []), f"{what}:N", *numbers]


def _coloured(alt: Any, found: Sequence[Findings]) -> dict[str, Any]:
    if len(found) == 1:
        return {}
    legend = alt.Legend(title=None, columns=1, labelLimit=300)
    return {"color": alt.Color("run:N", sort=None, legend=legend)}


def confusion_chart(found: Findings) -> Chart:
    """Confusion matrix: counts, coloured by the share of each true class."""
    alt = charting()
    assert found.confusion is not None
    kept = _frequent(found)
    names = [found.classes[k].name for k in kept]
    rows = [
        {
            "true": found.classes[i].name,
            "predicted": found.classes[j].name,
            "count": int(found.confusion[i, j]),
            "share": float(found.confusion[i, j] / max(found.confusion[i].sum(), 1)),
        }
        for i in kept
        for j in kept
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("predicted:N", sort=names, axis=alt.Axis(labelAngle=0 if len(kept) < 6 else -45)),
        y=alt.Y("true:N", sort=names),
        tooltip=["true:N", "predicted:N", "count:Q", alt.Tooltip("share:Q", format=".1%")],
    )
    scale = alt.Scale(domain=[0, 1])
    legend = alt.Legend(title="share of the true class", format="%", gradientLength=160)
    cells = base.mark_rect().encode(color=alt.Color("share:Q", scale=scale, legend=legend))
    small = len(kept) > 12
    text = base.mark_text(style="on-weak", fontSize=9 if small else 13).encode(text="count:Q")
    strong = base.mark_text(style="on-strong", fontSize=9 if small else 13).encode(text="count:Q")
    made: Chart = (
        cells
        + text.transform_filter("datum.share <= 0.5")
        + strong.transform_filter("datum.share > 0.5")
    ).properties(height=(24 if small else 44) * len(kept))
    return made


def scatter(found: Findings) -> Chart:
    """Predicted against true values, the mean over seeds, with the line where both are equal."""
    alt = charting()
    true = found.predicted[0].labels.double().numpy()
    said = np.mean([run.scores.double().numpy() for run in found.predicted], axis=0)
    place = np.arange(len(true))
    if len(place) > POINTS:
        place = np.random.default_rng(0).choice(place, POINTS, replace=False)
    rows = [{"true": float(true[i]), "predicted": float(said[i])} for i in place]
    low, high = float(min(true.min(), said.min())), float(max(true.max(), said.max()))
    unit = found.run.task["classes"][0]
    scale = alt.Scale(domain=[low, high], zero=False)
    points = (
        alt.Chart(alt.Data(values=rows))
        .mark_circle(size=28, opacity=0.45)
        .encode(
            x=alt.X("true:Q", title=f"true {unit}", scale=scale),
            y=alt.Y("predicted:Q", title="predicted", scale=scale),
            tooltip=[alt.Tooltip(f"{n}:Q", format=".4g") for n in ("true", "predicted")],
        )
    )
    ends = alt.Data(values=[{"true": v, "predicted": v} for v in (low, high)])
    equal = alt.Chart(ends).mark_line(style="aside").encode(x="true:Q", y="predicted:Q")
    made: Chart = (equal + points).properties(height=380)
    return made


def protein_centric(found: Findings) -> Chart:
    """Precision against recall, protein-centric as in CAFA, the first seed's; F1max is marked."""
    alt = charting()
    scores = found.predicted[0].scores.double().numpy()
    truth = found.predicted[0].labels.numpy() > 0
    rows = []
    for threshold in np.unique(np.quantile(scores[truth], np.linspace(0, 1, 150))):
        said = scores >= threshold
        predicted = said.sum(1)
        hits = (said & truth).sum(1)
        p = float((hits[predicted > 0] / predicted[predicted > 0]).mean())
        r = float((hits[truth.any(1)] / truth.sum(1)[truth.any(1)]).mean())
        f1 = 2 * p * r / (p + r) if p + r else 0.0
        rows.append({"recall": r, "precision": p, "threshold": float(threshold), "F1": f1})
    scale = alt.Scale(domain=[0, 1])
    tooltip = [alt.Tooltip(f"{n}:Q", format=".3f") for n in rows[0]]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("recall:Q", scale=scale, title="recall, mean over proteins"),
        y=alt.Y("precision:Q", scale=scale, title="precision"),
        order="threshold:Q",
        tooltip=tooltip,
    )
    top = max(rows, key=lambda row: row["F1"])
    best = alt.Chart(alt.Data(values=[top])).encode(x="recall:Q", y="precision:Q", tooltip=tooltip)
    # Below and to the left of the ring the curve leaves room wherever it runs.
    label = best.mark_text(align="right", dx=-12, dy=16, text=f"F1 {top['F1']:.3f}")
    mark = best.mark_point(size=120, strokeWidth=2, filled=False)
    made: Chart = (base.mark_line(strokeWidth=2) + mark + label).properties(height=320)
    return made


def class_bars(found: Findings) -> Chart:
    """F1 of each class as a bar, with precision and recall as marks; most frequent first."""
    alt = charting()
    names, bars, marks = [], [], []
    seeds = len(found.runs)
    for k in _frequent(found):
        each = found.classes[k]
        name = f"{each.name} (n = {each.true // seeds:,})"
        names.append(name)
        bars.append({"class": name, "F1": 0.0 if np.isnan(each.f1) else each.f1})
        marks += [
            {"class": name, "of": what, "value": value}
            for what, value in (("precision", each.precision), ("recall", each.recall))
            if not np.isnan(value)
        ]
    y = alt.Y("class:N", title=None, sort=names)
    scale = alt.Scale(domain=[0, 1])
    bar = (
        alt.Chart(alt.Data(values=bars))
        .mark_bar(style="soft-bar")
        .encode(
            x=alt.X("F1:Q", title="F1 (bar), precision and recall (marks)", scale=scale),
            y=y,
            tooltip=["class:N", alt.Tooltip("F1:Q", format=".3f")],
        )
    )
    point = (
        alt.Chart(alt.Data(values=marks))
        .mark_point(size=60, filled=True, opacity=1, style="mark")
        .encode(
            x="value:Q",
            y=y,
            shape=alt.Shape("of:N", title=None, scale=alt.Scale(range=["circle", "diamond"])),
            tooltip=["class:N", "of:N", alt.Tooltip("value:Q", format=".3f")],
        )
    )
    made: Chart = (bar + point).properties(height=26 * len(names))
    return made


def _frequent(found: Findings) -> list[int]:
    """Classes that are true or predicted, in their order; of too many the most frequent."""
    occur = [k for k, c in enumerate(found.classes) if c.true or c.said]
    if len(occur) <= CLASSES:
        return occur
    return sorted(occur, key=lambda k: -found.classes[k].true)[:CLASSES]
