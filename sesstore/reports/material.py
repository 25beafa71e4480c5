"""The material of a report: all that its pages show of a training.

Gathered where the store can be read (`gather`), drawn by pages that never read one. Rows are the
proteins of the reported split; of several seeds, the value of a row is the mean over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ..tasks import Problem
from ..training.baseline_report import BaselineReport
from ..training.intervals import Predicted
from ..training.perclass import ClassScore
from ..training.runs import Caution, Run
from ..training.seeds import deviation
from .structure_view import Colouring, ViewedStructure

Numbers = NDArray[np.float64]

ATTENTION, SURENESS, ERROR = "attention", "probability of the true class", "absolute error"
"""What is drawn along a protein: of problems of proteins, residue classes, residue values."""


@dataclass(frozen=True, eq=False)
class ResidueTrack:
    """One protein, residue by residue.

    Parameters
    ----------
    id, reason : str
        Its name, and the reason why it is shown, such as ``"largest error"``.
    sequence : str, length L
    tokens : mapping of str to str, length L
        Structure tokens by alphabet, ``#`` where masked.
    values : ndarray, shape=(L,)
        What `Material.track_title` names; NaN where a residue has none.
    label, prediction : str
        The true one, and the predicted one, in words.
    further : tuple of Colouring
        What else residues may be coloured by.
    plddt : ndarray, shape=(L,), or None
        NaN where a residue has none.
    structure : ViewedStructure, optional
    absence : str
        Why there is no structure.
    """

    id: str
    reason: str
    sequence: str
    tokens: Mapping[str, str]
    values: Numbers
    label: str
    prediction: str
    further: tuple[Colouring, ...] = ()
    plddt: Numbers | None = None
    structure: ViewedStructure | None = None
    absence: str = ""


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
class Material:
    """A training by one seed or several, and how good it is.

    Parameters
    ----------
    name : str
        Of its folder.
    runs : tuple of Run
        One a seed.
    split : str
        Which is reported: ``test``, ``valid`` if there is no test, or ``out-of-fold``.
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
        Where a store was given.
    tracks : tuple of ResidueTrack
        Some proteins, residue by residue.
    track_title : str
        What their values are, such as ``"attention"``.
    learning : tuple of Run
        Of a cross-validation the runs of its folds, whose learning curves are shown; else empty.
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
    tracks: tuple[ResidueTrack, ...] = ()
    track_title: str = ""
    learning: tuple[Run, ...] = ()
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

    @property
    def proteins(self) -> int:
        """Rows of the reported split."""
        coverage = self.run.coverage
        return int(coverage.get(self.split, coverage["train"])["proteins"])

    def mean(self, metric: str, split: str | None = None) -> float:
        """Mean of a metric over seeds, on the reported split by default."""
        return fmean(self.values[split or self.split][metric])

    def deviation(self, metric: str, split: str | None = None) -> float | None:
        """Standard deviation over seeds; None of one."""
        values = self.values[split or self.split][metric]
        return deviation(values) if len(values) > 1 else None
