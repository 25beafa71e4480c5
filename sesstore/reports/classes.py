"""Charts of classes: how good each is, and which are taken for which.

A chart has room for so many classes; of more it shows the most frequent ones and says so. In bars
and tables the most frequent class comes first; a matrix keeps the order of the task, in which
neighbours mean something where classes are ordered.
"""

from __future__ import annotations

import numpy as np

from .figures import Chart, charting
from .material import Material

CLASSES = 25
"""Classes in a chart; of more, the most frequent."""
CONFUSED = 20
"""Pairs of classes in the list of the most confused."""


def shown_classes(material: Material) -> list[int]:
    """Classes that are true or predicted, the most frequent first, as many as there is room for."""
    occur = [k for k, c in enumerate(material.classes) if c.true or c.said]
    return sorted(occur, key=lambda k: (-material.classes[k].true, -material.classes[k].said))[
        :CLASSES
    ]


def describe_omissions(material: Material) -> str:
    """Say how many classes a chart has no room for, and which are not there at all."""
    occur = sum(bool(c.true or c.said) for c in material.classes)
    never = len(material.classes) - occur
    text = ""
    if occur > CLASSES:
        text = f" The {CLASSES} most frequent of {occur:,} classes that are true or predicted."
    if never:
        text += f" {never:,} of {len(material.classes):,} classes are neither."
    return text


def confused_pairs(material: Material) -> list[tuple[str, str, int, float]]:
    """Return the pairs of classes confused most often, over all classes.

    Returns
    -------
    list of (str, str, int, float)
        What is true, what is predicted instead, how often (over all seeds), and the share of the
        true class that is.
    """
    assert material.confusion is not None
    wrong = material.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSED]
    pairs = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True)]
    names, totals = [c.name for c in material.classes], material.confusion.sum(1)
    return [
        (names[i], names[j], int(wrong[i, j]), float(wrong[i, j] / totals[i]))
        for i, j in pairs
        if wrong[i, j]
    ]


def confusion_chart(material: Material) -> Chart:
    """Confusion matrix: counts, coloured by the share of each true class."""
    alt = charting()
    assert material.confusion is not None
    class_indices = sorted(shown_classes(material))
    names = [material.classes[k].name for k in class_indices]
    rows = [
        {
            "true": material.classes[i].name,
            "predicted": material.classes[j].name,
            "count": int(material.confusion[i, j]),
            "share": float(material.confusion[i, j] / max(material.confusion[i].sum(), 1)),
        }
        for i in class_indices
        for j in class_indices
    ]
    # Titles stand at the ends of the axes, where no label reaches.
    angle = 0 if len(class_indices) < 4 and max(map(len, names)) < 12 else -45
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
    small = len(class_indices) > 12
    text = base.mark_text(style="on-weak", fontSize=9 if small else 13).encode(text="count:Q")
    strong = base.mark_text(style="on-strong", fontSize=9 if small else 13).encode(text="count:Q")
    chart: Chart = (
        cells
        + text.transform_filter("datum.share <= 0.5")
        + strong.transform_filter("datum.share > 0.5")
    ).properties(height=(24 if small else 44) * len(class_indices))
    return chart


def class_bars(material: Material) -> Chart:
    """F1 of each class as a bar, with precision and recall as marks; most frequent first."""
    alt = charting()
    names, bars, marks = [], [], []
    seeds = len(material.runs)
    for k in shown_classes(material):
        score = material.classes[k]
        name = f"{score.name} (n = {score.true // seeds:,})"
        names.append(name)
        bars.append({"class": name, "F1": 0.0 if np.isnan(score.f1) else score.f1})
        marks += [
            {"class": name, "of": measure, "value": value}
            for measure, value in (("precision", score.precision), ("recall", score.recall))
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
    chart: Chart = (bar + point).properties(height=26 * len(names))
    return chart
