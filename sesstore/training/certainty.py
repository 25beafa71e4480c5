"""How sure one prediction is: all that a run knows of it, learned on valid, told on test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import MissingFileError
from ..tasks import Problem
from .applicability import TrainingSet
from .calibration import expected_calibration_error, fit_temperature, tempered, top_class
from .conformal import Conformal, fit_conformal
from .evaluate import load_predictions
from .intervals import Predicted
from .runs import FOLDS, Run

FEWEST = 20
"""Rows of valid that are needed to learn from."""


@dataclass(frozen=True, eq=False)
class Certainty:
    """What a run's predictions on valid say of new ones.

    Parameters
    ----------
    problem : Problem
    seeds : int
        Adapters whose mean is given.
    temperature : float or None
        None for values, or if valid is too small.
    conformal : Conformal or None
        None for residues, whose errors come in proteins and are not exchangeable; or if valid is
        too small.
    training : TrainingSet or None
    """

    problem: Problem
    seeds: int
    temperature: float | None
    conformal: Conformal | None
    training: TrainingSet | None


@dataclass(frozen=True)
class CertaintyScore:
    """How sure predictions were, against how right, on rows nothing was learned from.

    Parameters
    ----------
    rows : int
    ece_before, ece_after : float or None
        Expected calibration error without and with the temperature; None for values.
    coverage : float or None
        Share of rows whose set or interval holds the truth.
    size : float or None
        Mean number of classes in a set, or width of an interval.
    """

    rows: int
    ece_before: float | None = None
    ece_after: float | None = None
    coverage: float | None = None
    size: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def certainty_of(runs: Sequence[Run]) -> Certainty:
    """Learn from what the runs of a training predicted on valid.

    Parameters
    ----------
    runs : sequence of Run
        One, or those of several seeds.
    """
    problem = Problem(runs[0].task["problem"])
    temperature, conformal = None, None
    predicted = _on_valid(runs)
    if predicted is not None and len(predicted.scores) >= FEWEST:
        scores, labels = predicted.scores, predicted.labels
        if not problem.is_regression:
            temperature = fit_temperature(scores, labels, problem)
        if not problem.per_residue:
            conformal = fit_conformal(scores, labels, problem)
    folder = Path(runs[0].path)
    return Certainty(problem, len(runs), temperature, conformal, TrainingSet.load(folder))


def score_certainty(certainty: Certainty, predicted: Predicted) -> CertaintyScore:
    """Compare certainty and truth.

    Parameters
    ----------
    certainty : Certainty
    predicted : Predicted
        Mean over seeds, on test; see `mean_prediction`.
    """
    scores, labels, problem = predicted.scores, predicted.labels, certainty.problem
    values: dict[str, Any] = {}
    if certainty.temperature is not None:
        calibrated = tempered(scores, certainty.temperature, problem)
        values["ece_before"] = expected_calibration_error(*top_class(scores, labels, problem))
        values["ece_after"] = expected_calibration_error(*top_class(calibrated, labels, problem))
    if certainty.conformal is not None:
        conformal = certainty.conformal
        values["coverage"] = float(conformal.covered(scores, labels, problem).mean())
        if problem.is_regression:
            values["size"] = 2 * conformal.margin
        else:
            values["size"] = float(conformal.sets(scores, problem).double().sum(1).mean())
    return CertaintyScore(len(scores), **values)


def mean_prediction(runs: Sequence[Run], split: str) -> Predicted:
    """Mean over seeds of what runs predicted on a split; raises `MissingFileError`."""
    each = [load_predictions(run, split) for run in runs]
    scores = torch.stack([predicted.scores.double() for predicted in each]).mean(0)
    first = each[0]
    return Predicted(scores.float(), first.labels, first.rows, first.folds)


def _on_valid(runs: Sequence[Run]) -> Predicted | None:
    """Predictions on rows that no weight was fitted to: valid, or all folds'."""
    for split in (FOLDS, "valid"):
        try:
            predicted = mean_prediction(runs, split)
        except MissingFileError:
            continue
        finite = torch.isfinite(predicted.scores.reshape(len(predicted.scores), -1)).all(1)
        if bool(np.asarray(finite).all()):
            return predicted
    return None
