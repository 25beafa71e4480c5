"""How sure one prediction is, on a run's page: reliability diagram, sets or intervals, coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import MissingFileError
from ..training.calibration import reliability, tempered, top_class
from ..training.certainty import Certainty, certainty_of, mean_prediction, score_certainty
from ..training.conformal import LEVEL
from ..training.intervals import Predicted
from ..training.runs import FOLDS
from .figures import Chart, charting
from .material import Material

if TYPE_CHECKING:
    from .run import Report

_BEFORE, _AFTER = "as predicted", "calibrated on valid"


def add_certainty(report: Report, material: Material) -> None:
    """Add the section, where a run has predictions on valid, and on rows beside them."""
    if material.split in ("valid", FOLDS):
        return
    certainty = certainty_of(material.runs)
    try:
        predicted = mean_prediction(material.runs, material.split)
    except MissingFileError:
        return
    if certainty.temperature is None and certainty.conformal is None:
        return
    score = score_certainty(certainty, predicted)
    report.page.section(
        "How sure one prediction is",
        f"Learned on valid, told on {score.rows:,} rows of {material.split}; columns of "
        f"`sesstore predict`.",
    )
    rows: list[list[object]] = []
    if score.ece_before is not None and score.ece_after is not None:
        rows += [
            ["ECE as predicted", score.ece_before, "mean gap of confidence and accuracy"],
            ["ECE calibrated", score.ece_after, f"logits over {certainty.temperature:.2f}"],
        ]
    if score.coverage is not None and score.size is not None:
        kind = "intervals" if certainty.problem.is_regression else "sets"
        size = "width of an interval" if certainty.problem.is_regression else "classes in a set"
        rows += [
            [f"{kind} that hold the truth", score.coverage, f"{LEVEL:.0%} wanted"],
            [size, score.size, "mean"],
        ]
    report.page.table(["what", "value", ""], rows)
    if certainty.temperature is not None:
        report.chart(
            reliability_chart(certainty, predicted),
            "reliability",
            "How often the most probable class is right against its probability, in bins of 1/15; "
            "on the dashed line both are equal. Circles are as large as their bins are full.",
        )


def reliability_chart(certainty: Certainty, predicted: Predicted) -> Chart:
    """Draw accuracy against confidence, before and after calibration."""
    alt = charting()
    problem, scores, labels = certainty.problem, predicted.scores, predicted.labels
    kinds = {_BEFORE: scores}
    if certainty.temperature is not None:
        kinds[_AFTER] = tempered(scores, certainty.temperature, problem)
    rows = [
        {"kind": kind, "confidence": b.confidence, "accuracy": b.accuracy, "rows": b.count}
        for kind, probabilities in kinds.items()
        for b in reliability(*top_class(probabilities, labels, problem))
    ]
    x = alt.X("confidence:Q", title="probability", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("accuracy:Q", title="share that is right", scale=alt.Scale(domain=[0, 1]))
    color = alt.Color("kind:N", sort=None, legend=alt.Legend(title=None))
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, y=y, color=color)
    points = base.mark_circle(opacity=0.8).encode(
        size=alt.Size("rows:Q", legend=None, scale=alt.Scale(range=[30, 300])),
        tooltip=["kind:N", "rows:Q"]
        + [alt.Tooltip(f"{n}:Q", format=".3f") for n in ("confidence", "accuracy")],
    )
    ends = alt.Data(values=[{"confidence": v, "accuracy": v} for v in (0, 1)])
    equal = alt.Chart(ends).mark_line(style="aside").encode(x=x, y=y)
    chart: Chart = (equal + base.mark_line(strokeWidth=1.5) + points).properties(height=340)
    return chart
