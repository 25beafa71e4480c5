"""F1max by its definition (CAFA; Radivojac et al. 2013): every threshold, protein by protein."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def f1max(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Best F1 over all thresholds that occur.

    Parameters
    ----------
    scores, labels : ndarray, shape=(N, C)
        Probabilities, and whether each protein has each label.
    """
    best = 0.0
    for threshold in np.unique(scores):
        best = max(best, f1_at(scores, labels, threshold))
    return best


def f1_at(scores: NDArray[np.floating], labels: NDArray[np.bool_], threshold: float) -> float:
    """F1 at one threshold: precision over proteins predicted for, recall over labelled ones."""
    precisions, recalls = [], []
    for row, truth in zip(scores, labels, strict=True):
        said = set(np.flatnonzero(row >= threshold))
        true = set(np.flatnonzero(truth))
        if said:
            precisions.append(len(said & true) / len(said))
        if true:
            recalls.append(len(said & true) / len(true))
    p, r = sum(precisions) / len(precisions), sum(recalls) / max(len(recalls), 1)
    return 2 * p * r / (p + r) if p + r else 0.0
