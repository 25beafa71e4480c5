"""Charts of classes: how good each is, and which are taken for which.

A chart has room for so many classes; of more it shows the most frequent ones and says so. In bars
and tables the most frequent class comes first; a matrix keeps the order of the task, in which
neighbours mean something where classes are ordered.
"""

from __future__ import annotations

import numpy as np

from ..training.findings import Findings
from .figures import Chart, charting

CLASSES = 25
"""Classes in a chart; of more, the most frequent."""
CONFUSED = 20
"""Pairs of classes in the list of the most confused."""


def shown_classes(found: Findings) -> list[int]:
    """Classes that are true or predicted, the most frequent first, as many as there is room for."""
    occur = [k for k, c in enumerate(found.classes) if c.true or c.said]
    return sorted(occur, key=lambda k: (-found.classes[k].true, -found.classes[k].said))[:CLASSES]


def left_out(found: Findings) -> str:
    """Say how many classes a chart has no room for, and which are not there at all."""
    occur = sum(bool(c.true or c.said) for c in found.classes)
    never = len(found.classes) - occur
    text = ""
    if occur > CLASSES:
        text = f" The {CLASSES} most frequent of {occur:,} classes that are true or predicted."
    if never:
        text += f" {never:,} of {len(found.classes):,} classes are neither."
    return text


def confused_pairs(found: Findings) -> list[tuple[str, str, int, float]]:
    """Return the pairs of classes confused most often, over all classes.

    Returns
    -------
    list of (str, str, int, float)
        What is true, what is predicted instead, how often (over all seeds), and the share of the
        true class that is.
    """
    assert found.confusion is not None
    wrong = found.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSED]
    pairs = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True)]
    names, totals = [c.name for c in found.classes], found.confusion.sum(1)
    return [
        (names[i], names[j], int(wrong[i, j]), float(wrong[i, j] / totals[i]))
        for i, j in pairs
        if wrong[i, j]
    ]


def confusion_chart(found: Findings) -> Chart:
    """Confusion matrix: counts, coloured by the share of each true class."""
    alt = charting()
    assert found.confusion is not None
    kept = sorted(shown_classes(found))
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
    # Titles stand at the ends of the axes, where no label reaches.
    angle = 0 if len(kept) < 4 and max(map(len, names)) < 12 else -45
    across = alt.Axis(labelAngle=angle, title="predicted", titleAnchor="end")
    down = alt.Axis(title="true", titleAngle=0, titleAlign="right", titleX=-8, titleY=-8)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("predicted:N", sort=names, axis=across),
        y=alt.Y("true:N", sort=names, axis=down),
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


def class_bars(found: Findings) -> Chart:
    """F1 of each class as a bar, with precision and recall as marks; most frequent first."""
    alt = charting()
    names, bars, marks = [], [], []
    seeds = len(found.runs)
    for k in shown_classes(found):
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
            x=alt.X("F1:Q", title="F1", scale=scale),
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
