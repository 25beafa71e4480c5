"""Labels of the nearest proteins as a prediction, with a reliability index and its calibration.

Embedding annotation transfer as in goPredSim (Littmann et al. 2021,
doi:10.1038/s41598-020-80786-0): the index of a label among the k nearest hits is the mean over them
of ``0.5 / (0.5 + d)`` for those that have the label, and 0 for the others, where d is a hit's
distance. Theirs is Euclidean and made for SeqVec; here it is the cosine distance, 1 - similarity,
whose scale is the same for every encoder.

What an index is worth is learned on valid: how often labels of such an index were right there, as a
function that never falls (isotonic regression by pooling adjacent violators, Ayer et al. 1955,
doi:10.1214/aoms/1177728423).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tasks import Problem

_HALF = 0.5
LEAST_INDEX = 0.5
"""Index from which a label of a protein with several is transferred."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Transfer:
    """What the nearest proteins say of a query.

    Parameters
    ----------
    label : int, list of int or float
        A class, classes, or a value.
    reliability : float
        Index of the label, of the best of several, or of the neighbours of a value; 0 to 1.
    """

    label: Any
    reliability: float


def reliability_indices(labels: Sequence[Any], distance: Floats, n_classes: int) -> Floats:
    """Reliability index of every class among some hits.

    Parameters
    ----------
    labels : sequence of int, or of lists of int, length k
        Of the hits.
    distance : ndarray, shape=(k,)
        Of the hits.
    n_classes : int

    Returns
    -------
    ndarray, shape=(C,), dtype=float64
    """
    weights = _HALF / (_HALF + np.maximum(distance, 0)) / len(distance)
    indices = np.zeros(n_classes)
    for label, weight in zip(labels, weights.tolist(), strict=True):
        indices[list(label) if isinstance(label, list | tuple) else [label]] += weight
    return indices


def transfer(
    labels: Sequence[Any], similarity: NDArray[Any], problem: Problem, n_classes: int
) -> Transfer:
    """Transfer a label from the nearest proteins.

    Parameters
    ----------
    labels : sequence, length k
        As a task has them.
    similarity : ndarray, shape=(k,)
        Cosine of each hit.
    problem : Problem
        One of proteins, not of residues.
    n_classes : int
    """
    distance = 1 - np.asarray(similarity, np.float64)
    if problem.is_regression:
        weights = _HALF / (_HALF + np.maximum(distance, 0))
        value = float(np.average(np.asarray(labels, np.float64), weights=weights))
        return Transfer(value, float(weights.mean()))
    indices = reliability_indices(labels, distance, n_classes)
    best = int(indices.argmax())
    if problem is Problem.MULTI_LABEL:
        sure = np.flatnonzero(indices >= min(LEAST_INDEX, indices[best])).tolist()
        return Transfer(sure if indices[best] > 0 else [], float(indices[best]))
    return Transfer(best, float(indices[best]))


def is_right(prediction: Transfer, label: Any, problem: Problem) -> float:
    """1 where a transferred label is the true one; the share of chosen labels that are, of several.

    Of a value its absolute error.
    """
    if problem.is_regression:
        return abs(float(prediction.label) - float(label))
    if problem is Problem.MULTI_LABEL:
        predicted, true = set(prediction.label), set(label)
        return len(predicted & true) / len(predicted) if predicted else float(not true)
    return float(prediction.label == label)


@dataclass(frozen=True, eq=False)
class Calibration:
    """What reliability indices were worth on valid: a step function that never falls.

    Parameters
    ----------
    index : ndarray, shape=(M,), dtype=float64
        Least index of each step, growing.
    worth : ndarray, shape=(M,), dtype=float64
        Share of right labels from there on; of values the mean absolute error, which never grows.
    proteins : int
        How many it was learned on.
    """

    index: Floats
    worth: Floats
    proteins: int

    def __call__(self, reliability: float) -> float:
        """Return what an index is worth."""
        place = int(np.searchsorted(self.index, reliability, "right")) - 1
        return float(self.worth[max(place, 0)])


def calibrate(reliability: Floats, outcome: Floats, *, falling: bool = False) -> Calibration:
    """Learn what reliability indices are worth.

    Parameters
    ----------
    reliability, outcome : ndarray, shape=(N,)
        Of predictions whose truth is known; see `is_right`.
    falling : bool
        Outcomes are errors: the more reliable, the smaller.
    """
    order = np.argsort(reliability, kind="stable")
    index, starts = np.unique(reliability[order], return_index=True)
    sizes = np.diff(np.append(starts, len(order))).astype(float)
    sign = -1.0 if falling else 1.0
    means = sign * np.add.reduceat(outcome[order].astype(np.float64), starts) / sizes
    steps: list[tuple[float, float, float]] = []  # least index, mean, weight
    for least, mean, weight in zip(index.tolist(), means.tolist(), sizes.tolist(), strict=True):
        step = (least, mean, weight)
        while steps and steps[-1][1] >= step[1]:
            first, last_mean, size = steps.pop()
            joint = (last_mean * size + step[1] * step[2]) / (size + step[2])
            step = (first, joint, size + step[2])
        steps.append(step)
    table = np.array(steps)
    return Calibration(table[:, 0], sign * table[:, 1], len(order))
