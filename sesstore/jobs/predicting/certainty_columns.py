"""Columns that say how sure a prediction is.

============== =================================================================================
spread         deviation over seeds of what is given: of a value, of the most probable class
confidence     calibrated probability that the most probable class is right
set_90         classes that hold the truth nine times in ten
low_90 high_90 interval that holds the true value nine times in ten
distance       to the nearest training protein, 1 - cosine of means
far            whether that is beyond what is usual among training proteins
============== =================================================================================

Which of them there are follows from the run: ``spread`` needs several seeds, the next ones a valid
split that is not tiny, ``distance`` a run that kept its training set. Of residue problems
``spread`` and ``confidence`` have an entry a residue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...tasks import Problem
from ...training.calibration import tempered
from ...training.certainty import Certainty
from ...training.predictor import Predictions

DECIMALS = 4


def certainty_columns(certainty: Certainty) -> dict[str, str]:
    """Return the columns: name to kind, as of `predictions.columns`."""
    problem, table = certainty.problem, dict[str, str]()
    several = "s" if problem.per_residue else ""
    if certainty.seeds > 1:
        table["spread"] = f"number{several}"
    if certainty.temperature is not None:
        table["confidence"] = f"number{several}"
    if certainty.conformal is not None:
        if problem.is_regression:
            table |= {"low_90": "number", "high_90": "number"}
        else:
            table["set_90"] = "texts"
    if certainty.training is not None:
        table |= {"distance": "number", "far": "flag"}
    return table


def certainty_cells(
    certainty: Certainty, predictions: Predictions, place: int, classes: Sequence[str]
) -> dict[str, Any]:
    """Return the cells of one protein.

    Parameters
    ----------
    certainty : Certainty
    predictions : Predictions
    place : int
        Of the protein among them.
    classes : sequence of str
    """
    problem, score = certainty.problem, predictions.scores[place]
    cells: dict[str, Any] = {}
    if certainty.seeds > 1:
        cells["spread"] = _cell(_of_top(predictions.spread[place], score, problem))
    if certainty.temperature is not None:
        calibrated = tempered(score, certainty.temperature, problem)
        cells["confidence"] = _cell(calibrated.amax(-1))
    if certainty.conformal is not None:
        if problem.is_regression:
            low, high = certainty.conformal.bounds(score)
            cells |= {"low_90": _cell(low), "high_90": _cell(high)}
        else:
            inside = certainty.conformal.sets(score[None], problem)[0]
            cells["set_90"] = [classes[c] for c in inside.nonzero()[:, 0].tolist()]
    if certainty.training is not None and predictions.distance is not None:
        distance = float(predictions.distance[place])
        cells |= {"distance": round(distance, DECIMALS), "far": distance > certainty.training.limit}
    return cells


def _of_top(spread: Tensor, score: Tensor, problem: Problem) -> Tensor:
    """Spread of a value, or of the most probable class."""
    if problem.is_regression:
        return spread
    return spread.gather(-1, score.argmax(-1, keepdim=True))[..., 0]


def _cell(values: Tensor) -> Any:
    """A number, or a list of them, as a table has it."""
    if values.dim():
        return [round(value, DECIMALS) for value in values.tolist()]
    return round(float(values), DECIMALS)
