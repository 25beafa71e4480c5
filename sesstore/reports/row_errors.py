"""Error and loss of each protein of a split, the mean over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..tasks import Problem
from ..training.intervals import Predicted

Numbers = NDArray[np.float64]

ERRORS = {
    Problem.SINGLE_LABEL: "share wrong",
    Problem.MULTI_LABEL: "share of labels missed",
    Problem.REGRESSION: "absolute error",
    Problem.RESIDUE_SINGLE_LABEL: "share of residues wrong",
    Problem.RESIDUE_REGRESSION: "mean absolute error",
}
"""What `row_errors` returns, by problem."""


def row_errors(problem: Problem, runs: Sequence[Predicted], count: int) -> Numbers:
    """How wrong the prediction of each protein is, the mean over seeds.

    Of a protein with k labels of many, those count as missed that are not among the k most probable
    ones: no threshold is needed.

    Parameters
    ----------
    problem : Problem
    runs : sequence of Predicted
        One a seed.
    count : int
        Number N of rows of the split.

    Returns
    -------
    ndarray, shape=(N,)
        See `ERRORS`; NaN for a row without labels.
    """
    return _by_row(runs, [_errors(problem, run) for run in runs], count)


def row_losses(problem: Problem, runs: Sequence[Predicted], count: int) -> Numbers:
    """Loss of each protein, shape=(N,): cross-entropy or squared error; arguments as above.

    It orders rows that are equally right or wrong by how sure the prediction was.
    """
    return _by_row(runs, [_losses(problem, run) for run in runs], count)


def _by_row(runs: Sequence[Predicted], values: Sequence[Numbers], count: int) -> Numbers:
    rows = runs[0].rows.numpy()
    sums = np.bincount(rows, np.mean(values, axis=0), minlength=count)
    with np.errstate(invalid="ignore"):
        means: Numbers = sums / np.bincount(rows, minlength=count)
    return means


def true_probability(run: Predicted) -> Numbers:
    """Probability given to the true class of each row or residue of a single-label problem."""
    probabilities: Numbers = run.scores.double().gather(1, run.labels.long()[:, None])[:, 0].numpy()
    return probabilities


def _losses(problem: Problem, run: Predicted) -> Numbers:
    scores, labels = run.scores.double().numpy(), run.labels.double().numpy()
    if problem.is_regression:
        squared: Numbers = (scores - labels) ** 2
        return squared
    if problem is not Problem.MULTI_LABEL:
        return np.asarray(-np.log(true_probability(run).clip(1e-12)))
    sure = np.where(labels > 0, scores, 1 - scores).clip(1e-12)
    return np.asarray(-np.log(sure).sum(1))


def _errors(problem: Problem, run: Predicted) -> Numbers:
    scores, labels = run.scores.double().numpy(), run.labels.double().numpy()
    if problem.is_regression:
        return np.asarray(np.abs(scores - labels))
    if problem is not Problem.MULTI_LABEL:
        return np.asarray(scores.argmax(1) != labels, np.float64)
    ranked = np.take_along_axis(labels, np.argsort(-scores, axis=1, kind="stable"), 1)
    counts = labels.sum(1).astype(int)
    within = np.arange(labels.shape[1])[None] < counts[:, None]
    with np.errstate(invalid="ignore"):
        return np.asarray(1 - (ranked * within).sum(1) / counts)
