"""How good predictions are class by class: a table, and for single labels a confusion matrix.

Counts of several runs (seeds) on the same rows are summed, so shares are means over seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..tasks import Problem
from .intervals import Predicted
from .metrics import compute

THRESHOLD = 0.5
"""Probability above which a class of a multi-label task is predicted."""


@dataclass(frozen=True)
class ClassScore:
    """One class.

    Parameters
    ----------
    name : str
    true, said, right : int
        Rows (proteins, or residues) that have it, that are predicted to, and both.
    auprc : float
        Area under its precision-recall curve (average precision); NaN if no row has it.
    """

    name: str
    true: int
    said: int
    right: int
    auprc: float

    @property
    def precision(self) -> float:
        """Share of what is predicted that is right; NaN if nothing is predicted."""
        return self.right / self.said if self.said else float("nan")

    @property
    def recall(self) -> float:
        """Share of what is true that is predicted; NaN if nothing is."""
        return self.right / self.true if self.true else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN if the class is neither true nor predicted."""
        total = self.true + self.said
        return 2 * self.right / total if total else float("nan")


def class_scores(
    classes: Sequence[str], problem: Problem, runs: Sequence[Predicted]
) -> list[ClassScore]:
    """Score each class.

    Parameters
    ----------
    classes : sequence of str, length C
        Names.
    problem : Problem
        Single or multi label, of proteins or residues; regression has no classes.
    runs : sequence of Predicted
        Of the same rows, one a seed.

    Returns
    -------
    list of ClassScore, length C
        In the order of the classes; empty for regression.
    """
    if problem.is_regression:
        return []
    pairs = [(run.scores.double(), _onehot(run.labels, len(classes), problem)) for run in runs]
    predicted = sum(_predicted_classes(scores, problem) for scores, _ in pairs)
    right = sum(_predicted_classes(scores, problem) * true for scores, true in pairs)
    true = sum(labels for _, labels in pairs)
    counts = torch.stack([torch.as_tensor(t).sum(0) for t in (true, predicted, right)], 1).tolist()
    class_rows = []
    for k, (name, (n_true, n_said, n_right)) in enumerate(zip(classes, counts, strict=True)):
        areas = [_auprc(scores[:, k, None], labels[:, k, None]) for scores, labels in pairs]
        class_rows.append(ClassScore(name, n_true, n_said, n_right, float(np.mean(areas))))
    return class_rows


def confusion(n_classes: int, runs: Sequence[Predicted]) -> NDArray[np.int64]:
    """Count what is true (row) against what is predicted (column).

    Parameters
    ----------
    n_classes : int
        Number C of classes.
    runs : sequence of Predicted
        Of a single-label problem; their counts are summed.

    Returns
    -------
    ndarray, shape=(C, C), dtype=int64
    """
    pairs = [run.labels.long() * n_classes + run.scores.argmax(1) for run in runs]
    counts = torch.bincount(torch.cat(pairs), minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).numpy()


def _onehot(labels: Tensor, n_classes: int, problem: Problem) -> Tensor:
    if problem is Problem.MULTI_LABEL:
        return labels.long()
    return torch.nn.functional.one_hot(labels.long(), n_classes)


def _predicted_classes(scores: Tensor, problem: Problem) -> Tensor:
    if problem is Problem.MULTI_LABEL:
        return (scores > THRESHOLD).long()
    return torch.nn.functional.one_hot(scores.argmax(1), scores.shape[1])


def _auprc(scores: Tensor, labels: Tensor) -> float:
    return compute(["auprc"], Problem.MULTI_LABEL, scores, labels)["auprc"]
