"""A prediction as a row of a table: which columns there are, and what stands in them.

The columns follow from the run alone, so a table can be begun before anything is predicted. Every
row says, beside the prediction, what it rests on: the encoder, whether there was a structure, and
for how much of the sequence it was known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from ...proteins import Protein
from ...tasks import Problem
from ...training.certainty import Certainty
from ...training.perclass import THRESHOLD
from ...training.predictor import Predictions
from ...training.runs import Run
from .certainty_columns import certainty_cells, certainty_columns

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
