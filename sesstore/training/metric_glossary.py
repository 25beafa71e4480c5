"""What each metric says, in one sentence: shown wherever its number is."""

from __future__ import annotations

from collections.abc import Iterable

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
"""Metric to sentence."""


def explain(names: Iterable[str]) -> dict[str, str]:
    """Return the sentences of some metrics, in their order; those without one are left out."""
    return {name: GLOSSARY[name] for name in names if name in GLOSSARY}
