"""What is known of a training beside its record: the material of a report.

Gathered by a job that has the store at hand, drawn by pages that have not. Rows are proteins of the
split that is reported; of several seeds, what is said of a row is the mean over them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ..tasks import Problem
from .baseline_report import BaselineReport
from .intervals import Predicted
from .perclass import ClassScore
from .runs import Caution, Run
from .seeds import deviation

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Along:
    """One protein, residue by residue.

    Parameters
    ----------
    id, why : str
        Its name, and why it was chosen, such as ``"largest error"``.
    sequence : str, length L
    tokens : mapping of str to str, length L
        Structure tokens by alphabet, ``#`` where masked.
    values : ndarray, shape=(L,)
        What is drawn, see `Findings.drawn`.
    true, said : str
        Its label, and what is predicted.
    """

    id: str
    why: str
    sequence: str
    tokens: Mapping[str, str]
    values: Numbers
    true: str
    said: str


@dataclass(frozen=True, eq=False)
class RowFacts:
    """Each row of a split.

    Parameters
    ----------
    ids : tuple of str, length N
    lengths : ndarray, shape=(N,), dtype=int64
        Residues.
    plddt : ndarray, shape=(N,)
        Mean pLDDT, 0 to 100; NaN where none is stored.
    errors : ndarray, shape=(N,)
        See `row_errors`.
    """

    ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    plddt: Numbers
    errors: Numbers


@dataclass(frozen=True, eq=False)
class Findings:
    """A training by one seed or several, and how good it is.

    Parameters
    ----------
    name : str
        Of its folder.
    runs : tuple of Run
        One a seed.
    split : str
        Which is reported: ``test``, or ``valid`` if there is no test.
    predicted : tuple of Predicted
        Of that split, one a seed.
    values : mapping of str to mapping
        For each split the values of each metric, one a seed.
    intervals : mapping of str to (low, high)
        95 % interval of each metric's mean, on the reported split.
    classes : tuple of ClassScore
        Empty for regression.
    confusion : ndarray, shape=(C, C), or None
        For single labels; summed over seeds.
    rows : RowFacts, optional
        Where the store was at hand.
    along : tuple of Along
        Some proteins, residue by residue.
    drawn : str
        What their values are, such as ``"attention"``.
    baselines : BaselineReport, optional
        What simple models reach, where that was measured.
    cautions : tuple of Caution
        What is off, of all seeds.
    citations : tuple of str
    notes : tuple of str
        What could not be found out, and why.
    """

    name: str
    runs: tuple[Run, ...]
    split: str
    predicted: tuple[Predicted, ...]
    values: Mapping[str, Mapping[str, tuple[float, ...]]]
    intervals: Mapping[str, tuple[float, float]]
    classes: tuple[ClassScore, ...] = ()
    confusion: NDArray[np.int64] | None = None
    rows: RowFacts | None = None
    along: tuple[Along, ...] = ()
    drawn: str = ""
    baselines: BaselineReport | None = None
    cautions: tuple[Caution, ...] = ()
    citations: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def run(self) -> Run:
        """The first seed's."""
        return self.runs[0]

    @property
    def problem(self) -> Problem:
        """What is predicted."""
        return Problem(self.run.task["problem"])

    @property
    def monitor(self) -> str:
        """The metric that chose the epoch."""
        return str(self.run.task["monitor"])

    def mean(self, metric: str, split: str | None = None) -> float:
        """Mean of a metric over seeds, on the reported split by default."""
        return fmean(self.values[split or self.split][metric])

    def deviation(self, metric: str, split: str | None = None) -> float | None:
        """Standard deviation over seeds; None of one."""
        values = self.values[split or self.split][metric]
        return deviation(values) if len(values) > 1 else None


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
        found: Numbers = sums / np.bincount(rows, minlength=count)
    return found


def true_probability(run: Predicted) -> Numbers:
    """Probability given to the true class of each row or residue of a single-label problem."""
    picked = run.scores.double().gather(1, run.labels.long()[:, None])
    found: Numbers = picked[:, 0].numpy()
    return found


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
