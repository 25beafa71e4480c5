"""How sure one prediction is, on a run's page: reliability diagram, sets or intervals, coverage."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import MissingFileError
from ..training.calibration import reliability, tempered, top_class
from ..training.certainty import Certainty, certainty_of, mean_prediction, score_certainty
from ..training.conformal import LEVEL
from ..training.intervals import Predicted
from ..training.runs import FOLDS
from .figures import Chart, charting
from .material import Material

_BEFORE, _AFTER = "as predicted", "calibrated on valid"


@dataclass(frozen=True)
class CertaintySection:
    """What the page shows.

    Parameters
    ----------
    text : str
    rows : list of list
        What, its value, and a remark.
    chart : Chart or None
        Reliability diagram, of classes.
    """

    text: str
    rows: list[list[object]]
    chart: Chart | None


def certainty_section(material: Material) -> CertaintySection | None:
    """Work it out, where a run has predictions on valid, and on rows beside them."""
    if material.split in ("valid", FOLDS):
        return None
    certainty = certainty_of(material.runs)
    if certainty.temperature is None and certainty.conformal is None:
        return None
    try:
        predicted = mean_prediction(material.runs, material.split)
    except MissingFileError:
        return None
    score = score_certainty(certainty, predicted)
    rows: list[list[object]] = []
    if score.ece_before is not None and score.ece_after is not None:
        rows += [
            ["ECE as predicted", score.ece_before, "mean gap of confidence and accuracy"],
            ["ECE calibrated", score.ece_after, f"logits over {certainty.temperature:.2f}"],
        ]
    if score.coverage is not None and score.size is not None:
        is_value = certainty.problem.is_regression
        kind, size = ("intervals", "width") if is_value else ("sets", "classes")
        rows += [
            [f"{kind} that hold the truth", score.coverage, f"{LEVEL:.0%} wanted"],
            [f"{size} of them", score.size, "mean"],
        ]
    text = (
        f"Learned on valid, told on {score.rows:,} rows of {material.split}; `sesstore predict` "
        f"says it of each protein."
    )
    diagram = None
    if certainty.temperature is not None:
        diagram = reliability_chart(certainty, predicted)
    return CertaintySection(text, rows, diagram)


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
