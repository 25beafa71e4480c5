"""Metrics of each problem, over a whole split at once: no number depends on batches.

All come from torchmetrics but F1max, which it lacks, and balanced accuracy. Where a class does not
occur in a split, torchmetrics counts its AUROC as 0 and takes some correlations as perfect; here,
as in scikit-learn, means are over the classes that occur. Classes are scored by probabilities,
regression by values in original units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

import torch
from torch import Tensor

from ..errors import UnknownNameError
from ..tasks import Problem

Metric = Callable[[Tensor, Tensor], Tensor]


class _OnUse:
    """torchmetrics' functions by name, imported when one is first called.

    The import takes seconds, as it brings transformers and scipy.signal where these are installed:
    a mistyped command must not wait for it.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Callable[..., Tensor]:
        def function(*args: object, **settings: object) -> Tensor:
            metric: Callable[..., Tensor] = getattr(import_module(self._module), name)
            return metric(*args, **settings)

        return function


tm = _OnUse("torchmetrics.functional")
tmc = _OnUse("torchmetrics.functional.classification")

HIGHER_IS_WORSE = {"rmse", "mae"}


def f1max(scores: Tensor, labels: Tensor) -> Tensor:
    """Protein-centric maximum F1 (CAFA; Radivojac et al. 2013, doi:10.1038/nmeth.2340).

    At a threshold, precision is averaged over the proteins with at least one prediction, recall
    over all proteins that have a label; F1max is the best F1 of these two over all thresholds,
    every score that occurs being one.

    Parameters
    ----------
    scores : Tensor, shape=(N, C)
        Probabilities.
    labels : Tensor, shape=(N, C)
        0 or 1.

    Returns
    -------
    Tensor
        A number from 0 to 1.
    """
    _, precision, recall = protein_centric(scores, labels)
    return _harmonic(precision, recall).max()


def protein_centric(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Precision and recall of `f1max` at every threshold.

    Parameters
    ----------
    scores, labels : Tensor, shape=(N, C)
        As there.

    Returns
    -------
    thresholds, precision, recall : Tensor, shape=(T,)
        Thresholds falling: a label is predicted whose score is at least that.
    """
    scores, truth = scores.double(), labels.double()
    order = scores.argsort(dim=1, descending=True, stable=True)
    ranked, hits = scores.gather(1, order), truth.gather(1, order).cumsum(1)
    ranks = torch.arange(1, scores.shape[1] + 1, dtype=torch.float64)
    positives = truth.sum(1, keepdim=True)
    labelled = positives > 0
    # What each further prediction of a protein adds to the sums over proteins.
    precision = torch.diff(hits / ranks, dim=1, prepend=torch.zeros(len(scores), 1))
    recall = torch.diff(hits / positives.clamp(min=1), dim=1, prepend=torch.zeros(len(scores), 1))
    is_first = torch.zeros_like(ranked)
    is_first[:, 0] = 1
    by_threshold, by_score = ranked.flatten().sort(descending=True, stable=True)
    sums = [part.flatten()[by_score].cumsum(0) for part in (precision, recall, is_first)]
    last_of_ties = torch.ones(len(by_threshold), dtype=torch.bool)
    last_of_ties[:-1] = by_threshold[1:] != by_threshold[:-1]
    p = (sums[0] / sums[2])[last_of_ties]
    r = (sums[1] / labelled.sum().clamp(min=1))[last_of_ties]
    return by_threshold[last_of_ties], p, r


def _harmonic(precision: Tensor, recall: Tensor) -> Tensor:
    return 2 * precision * recall / (precision + recall).clamp(min=1e-12)


def _balanced_accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean recall over the classes that occur."""
    hit = scores.argmax(1) == labels
    present = set(labels.tolist())
    return torch.stack([hit[labels == c].double().mean() for c in present]).mean()


def _multiclass(function: Callable[..., Tensor], **settings: object) -> Metric:
    def metric(scores: Tensor, labels: Tensor) -> Tensor:
        return function(scores, labels, num_classes=scores.shape[1], **settings)

    return metric


def _mcc(scores: Tensor, labels: Tensor) -> Tensor:
    """Zero, as in scikit-learn, where all is one class: nothing correlates."""
    predicted = scores.argmax(1)
    if (labels == labels[0]).all() or (predicted == predicted[0]).all():
        return torch.tensor(0.0)
    return tmc.multiclass_matthews_corrcoef(scores, labels, num_classes=scores.shape[1])


def _roc_area(scores: Tensor, labels: Tensor) -> Tensor:
    if labels.min() == labels.max():
        return torch.tensor(torch.nan)
    return tmc.binary_auroc(scores, labels)


def _average_precision(scores: Tensor, labels: Tensor) -> Tensor:
    if not labels.any():
        return torch.tensor(torch.nan)
    return tmc.binary_average_precision(scores, labels)


def _of_classes(area: Metric) -> Metric:
    """Of class 1 if there are two; else of each class against the rest, the mean over classes."""

    def metric(scores: Tensor, labels: Tensor) -> Tensor:
        classes = [1] if scores.shape[1] == 2 else range(scores.shape[1])
        return torch.stack([area(scores[:, k], (labels == k).long()) for k in classes]).nanmean()

    return metric


def _pairs(function: Metric) -> Metric:
    """Over all (protein, label) pairs, as the field reports it."""
    return lambda scores, labels: function(scores.flatten(), labels.flatten())


def _label_f1(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean F1 over the labels that occur or are predicted."""
    by_label = tmc.multilabel_f1_score(scores, labels, num_labels=scores.shape[1], average="none")
    return by_label[((scores > 0.5) | (labels > 0)).any(0)].mean()


def _correlation(function: Metric) -> Metric:
    """Not defined, as in SciPy, where predictions or labels are all the same."""

    def metric(scores: Tensor, labels: Tensor) -> Tensor:
        if (scores == scores[0]).all() or (labels == labels[0]).all():
            return torch.tensor(torch.nan)
        return function(scores, labels)

    return metric


_SINGLE: dict[str, Metric] = {
    "accuracy": _multiclass(tmc.multiclass_accuracy, average="micro"),
    "balanced_accuracy": _balanced_accuracy,
    "mcc": _mcc,
    "f1": _multiclass(tmc.multiclass_f1_score, average="macro"),
    "f1_micro": _multiclass(tmc.multiclass_f1_score, average="micro"),
    "precision": _multiclass(tmc.multiclass_precision, average="macro"),
    "recall": _multiclass(tmc.multiclass_recall, average="macro"),
    "auroc": _of_classes(_roc_area),
    "auprc": _of_classes(_average_precision),
}

_MULTI: dict[str, Metric] = {
    "f1max": f1max,
    "auprc": _pairs(_average_precision),
    "auroc": _pairs(_roc_area),
    "f1": _label_f1,
    "f1_micro": _pairs(tmc.binary_f1_score),
    "precision": _pairs(tmc.binary_precision),
    "recall": _pairs(tmc.binary_recall),
}

_REGRESSION: dict[str, Metric] = {
    "spearman": _correlation(tm.spearman_corrcoef),
    "pearson": _correlation(tm.pearson_corrcoef),
    "rmse": lambda s, y: tm.mean_squared_error(s, y, squared=False),
    "mae": tm.mean_absolute_error,
    "r2": tm.r2_score,
}

METRICS: dict[Problem, dict[str, Metric]] = {
    Problem.SINGLE_LABEL: _SINGLE,
    Problem.RESIDUE_SINGLE_LABEL: _SINGLE,
    Problem.MULTI_LABEL: _MULTI,
    Problem.REGRESSION: _REGRESSION,
    Problem.RESIDUE_REGRESSION: _REGRESSION,
}
"""Metrics by problem and name."""


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
    metrics = METRICS[problem]
    truth = labels.long() if not problem.is_regression else labels.double()
    values = {}
    for name in names:
        if name not in metrics:
            raise UnknownNameError(f"metric for {problem} tasks", name, metrics)
        undefined = problem.is_regression and len(truth) < 2
        values[name] = float("nan") if undefined else float(metrics[name](scores.double(), truth))
    return values


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
