"""A prediction as a row of a table: which columns there are, and what stands in them.

The columns follow from the run alone, so a table can be begun before anything is predicted. Every
row says, beside the prediction, what it rests on: the encoder, whether there was a structure, and
for how much of the sequence it was known. How sure it is follows, as far as the run knows:

============== =================================================================================
spread         deviation over seeds of what is given: of a value, of the most probable class
confidence     calibrated probability that the most probable class is right
set_90         classes that hold the truth nine times in ten
low_90 high_90 interval that holds the true value nine times in ten
distance       to the nearest training protein, 1 - cosine of means
far            whether that is beyond what is usual among training proteins
============== =================================================================================

``spread`` needs several seeds, the next ones a valid split that is not tiny, ``distance`` a run
that kept its training set. Of residue problems ``spread`` and ``confidence`` have an entry a
residue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from ...proteins import Protein
from ...tasks import Problem
from ...training.calibration import tempered
from ...training.certainty import Certainty
from ...training.perclass import THRESHOLD
from ...training.predictor import Predictions
from ...training.runs import Run

Row = dict[str, Any]

DECIMALS = 4
"""Digits of probabilities, shares and values in a table."""

KINDS = ("text", "integer", "flag", "number", "texts", "numbers")
"""What a cell may hold; the last two are lists."""


def columns(run: Run, certainty: Certainty | None = None) -> dict[str, str]:
    """Return the columns of a run's predictions: name to kind.

    ``id``, ``length``, ``structure`` (whether structure tokens were used), ``unmasked`` (share of
    residues that have them), ``encoder``; then for classes ``label`` and a probability a class
    (``p_<class>``), for regression ``value``. Residue problems have a list with one entry a
    residue: ``label`` and its ``probability``, or ``value``. What `certainty` knows follows, see
    `certainty_columns`.
    """
    sure = {} if certainty is None else certainty_columns(certainty)
    problem = Problem(run.task["problem"])
    several = "s" if problem.per_residue else ""
    common = {
        "id": "text",
        "length": "integer",
        "structure": "flag",
        "unmasked": "number",
        "encoder": "text",
    }
    if problem.is_regression:
        return common | {"value": f"number{several}"} | sure
    if problem.per_residue:
        return common | {"label": "texts", "probability": "numbers"} | sure
    label = "texts" if problem is Problem.MULTI_LABEL else "text"
    chances = {f"p_{name}": "number" for name in run.task["classes"]}
    return common | {"label": label} | chances | sure


def rows(
    run: Run,
    proteins: Sequence[Protein],
    predictions: Predictions,
    certainty: Certainty | None = None,
) -> Iterator[Row]:
    """Yield a row a protein.

    Parameters
    ----------
    run : Run
        Whose predictions they are.
    proteins : sequence of Protein, length N
        What was predicted for.
    predictions : Predictions
        In the same order.
    certainty : Certainty, optional
        How sure the run's predictions are.
    """
    problem, classes = Problem(run.task["problem"]), run.task["classes"]
    for place, protein in enumerate(proteins):
        yield {
            "id": protein.id,
            "length": len(protein),
            "structure": bool(predictions.structure[place]),
            "unmasked": _rounded(float(predictions.unmasked[place])),
            "encoder": run.fingerprint.encoder,
            **_prediction(predictions.scores[place], problem, classes),
            **(
                {} if certainty is None else certainty_cells(certainty, predictions, place, classes)
            ),
        }


def _prediction(score: Tensor, problem: Problem, classes: Sequence[str]) -> Row:
    if problem.is_regression:
        values = [_rounded(v) for v in score.reshape(-1).tolist()]
        return {"value": values if problem.per_residue else values[0]}
    if problem.per_residue:
        best, chance = score.argmax(-1).tolist(), score.amax(-1).tolist()
        return {
            "label": [classes[place] for place in best],
            "probability": [_rounded(p) for p in chance],
        }
    chances = dict(zip(classes, score.tolist(), strict=True))
    label: Any = classes[int(score.argmax())]
    if problem is Problem.MULTI_LABEL:
        label = [name for name, p in chances.items() if p > THRESHOLD]
    return {"label": label} | {f"p_{name}": _rounded(p) for name, p in chances.items()}


def _rounded(value: float) -> float:
    return round(value, DECIMALS)


def certainty_columns(certainty: Certainty) -> dict[str, str]:
    """Return the columns that say how sure a prediction is: name to kind, as of `columns`."""
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
    """Return the cells of `certainty_columns` for one protein.

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
        cells |= {"distance": _rounded(distance), "far": distance > certainty.training.limit}
    return cells


def _of_top(spread: Tensor, score: Tensor, problem: Problem) -> Tensor:
    """Spread of a value, or of the most probable class."""
    if problem.is_regression:
        return spread
    return spread.gather(-1, score.argmax(-1, keepdim=True))[..., 0]


def _cell(values: Tensor) -> Any:
    """A number, or a list of them, as a table has it."""
    if values.dim():
        return [_rounded(value) for value in values.tolist()]
    return _rounded(float(values))
