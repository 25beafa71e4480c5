"""Metrics of each problem, over a whole split at once: no number depends on batches.

Classes are scored by probabilities, regression by values in original units.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import UnknownNameError
from ..tasks import Problem
from .weighted_metrics import DEFINITIONS, Rows
from .weighted_metrics import protein_centric as weighted_protein_centric

Numbers = NDArray[np.float64]

HIGHER_IS_WORSE = {"rmse", "mae"}

METRICS: dict[Problem, tuple[str, ...]] = {
    problem: tuple(metrics) for problem, metrics in DEFINITIONS.items()
}
"""Names of metrics by problem."""


def compute(
    names: Iterable[str], problem: Problem, scores: Tensor, labels: Tensor
) -> dict[str, float]:
    """Score all predictions of a split.

    Parameters
    ----------
    names : iterable of str
        Which metrics.
    problem : Problem
        What was predicted.
    scores : Tensor
        Probabilities [N, C] for classes, values [N] for regression; N counts proteins, or
        labelled residues.
    labels : Tensor
        Classes [N], 0 and 1 [N, C], or values [N].

    Returns
    -------
    dict of str to float
        NaN where a metric is not defined, such as a correlation of one value.

    Raises
    ------
    UnknownNameError
        The problem has no metric of that name.
    """
    rows = _each_once(scores, labels)
    definitions, once = DEFINITIONS[problem], np.ones((1, len(rows.rows)))
    undefined = np.isnan(rows.scores).any() or (problem.is_regression and len(rows.rows) < 2)
    values = {}
    for name in names:
        if name not in definitions:
            raise UnknownNameError(f"metric for {problem} tasks", name, definitions)
        values[name] = float("nan") if undefined else float(definitions[name](rows)(once)[0])
    return values


def _each_once(scores: Tensor, labels: Tensor) -> Rows:
    return Rows(scores.double().numpy(), labels.double().numpy(), np.arange(len(labels)))


def protein_centric(scores: Tensor, labels: Tensor) -> tuple[Numbers, Numbers, Numbers]:
    """Precision and recall, protein by protein, at every score that occurs.

    Parameters
    ----------
    scores : Tensor, shape=(N, C)
        Probabilities.
    labels : Tensor, shape=(N, C)
        0 or 1.

    Returns
    -------
    thresholds, precision, recall : ndarray, shape=(T,)
        Thresholds falling: a label is predicted whose score is at least that. F1max is the best
        harmonic mean of the other two.
    """
    rows = _each_once(scores, labels)
    thresholds: Numbers = np.unique(rows.scores)[::-1]
    curve = weighted_protein_centric(rows, thresholds)
    precision, recall = curve(np.ones((1, len(rows.rows))))
    return thresholds, precision[0], recall[0]


def better(name: str, new: float, best: float | None) -> bool:
    """Whether a value of a metric is better than the best so far; NaN never is."""
    if new != new:
        return False
    if best is None:
        return True
    return new < best if name in HIGHER_IS_WORSE else new > best


GLOSSARY = {
    "accuracy": "share of predictions that are right; the frequent class alone may make it high",
    "balanced_accuracy": "mean over classes of the share found of each; chance is 1 / classes",
    "mcc": "correlation of predicted and true classes, -1 to 1; 0 is chance, whatever the balance",
    "f1": "harmonic mean of precision and recall, mean over classes: rare ones count as much",
    "f1_micro": "harmonic mean of precision and recall over all predictions together",
    "precision": "of what was predicted, the share that is true",
    "recall": "of what is true, the share that was predicted",
    "auroc": "chance that a true case scores above a false one; 0.5 is chance, 1 perfect order",
    "auprc": "mean precision over all thresholds; chance is the share of true cases",
    "f1max": "best F1 over all thresholds, protein by protein, as CAFA has it",
    "spearman": "correlation of the ranks of predicted and true values, -1 to 1: the order alone",
    "pearson": "correlation of predicted and true values, -1 to 1: blind to shift and scale",
    "rmse": "typical error in units of the value, large errors weighing more; lower is better",
    "mae": "mean error in units of the value; lower is better",
    "r2": "share of the true values' variance explained; 0 is as good as their mean",
}
"""Metric to what it says, in one sentence: shown wherever its number is."""


def explain(names: Iterable[str]) -> dict[str, str]:
    """Return the sentences of some metrics, in their order; those without one are left out."""
    return {name: GLOSSARY[name] for name in names if name in GLOSSARY}
