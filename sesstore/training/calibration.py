"""Probabilities that mean what they say: temperature scaling, learned on valid.

One number divides all logits, so the order of classes and every decision stay (Guo et al. 2017,
arXiv:1706.04599). What is calibrated is the most probable class of a row: its probability against
how often it is right, also where a row may have several classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

from ..tasks import Problem

BINS = 15
_BOUNDS = (-3.0, 3.0)
"""Of the logarithm of a temperature: 0.05 to 20."""
_LEAST = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows whose confidence lies between two bounds.

    Parameters
    ----------
    confidence : float
        Mean probability of the most probable class.
    accuracy : float
        Share of the rows that have that class.
    count : int
    """

    confidence: float
    accuracy: float
    count: int


def tempered(scores: Tensor, temperature: float, problem: Problem) -> Tensor:
    """Probabilities at another temperature, shape as `scores`, [..., C]."""
    probabilities = scores.double().clamp(_LEAST, 1 - _LEAST)
    if problem is Problem.MULTI_LABEL:
        return torch.sigmoid(torch.logit(probabilities) / temperature).to(scores.dtype)
    return torch.softmax(probabilities.log() / temperature, -1).to(scores.dtype)


def fit_temperature(scores: Tensor, labels: Tensor, problem: Problem) -> float:
    """Return the temperature with the least negative log-likelihood.

    Parameters
    ----------
    scores : Tensor, shape=(N, C)
        Probabilities on valid.
    labels : Tensor
        Classes [N], or [N, C] of zeros and ones.
    problem : Problem
        Not a regression.
    """

    def loss(logarithm: float) -> float:
        probabilities = tempered(scores.double(), float(np.exp(logarithm)), problem)
        if problem is Problem.MULTI_LABEL:
            confidence, right = top_class(probabilities, labels, problem)
            chance = np.where(right > 0, confidence, 1 - confidence)
        else:
            chance = probabilities.gather(1, labels.long()[:, None]).numpy()
        return float(-np.log(np.maximum(chance, _LEAST)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=_BOUNDS, method="bounded").x))


def top_class(scores: Tensor, labels: Tensor, problem: Problem) -> tuple[Floats, Floats]:
    """Probability of each row's most probable class, and whether the row has it; shape=(N,)."""
    confidence, best = scores.double().max(-1)
    if problem is Problem.MULTI_LABEL:
        right = labels.gather(1, best[:, None])[:, 0] > 0
    else:
        right = labels == best
    return confidence.numpy(), right.double().numpy()


def reliability(confidence: Floats, right: Floats, bins: int = BINS) -> list[ReliabilityBin]:
    """Bins of equal width from 0 to 1; empty ones are left out."""
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        ReliabilityBin(
            float(confidence[places == place].mean()),
            float(right[places == place].mean()),
            int((places == place).sum()),
        )
        for place in np.unique(places).tolist()
    ]


def expected_calibration_error(confidence: Floats, right: Floats, bins: int = BINS) -> float:
    """Mean gap between confidence and accuracy, by rows (Naeini et al. 2015, AAAI 29)."""
    table = reliability(confidence, right, bins)
    return sum(b.count * abs(b.confidence - b.accuracy) for b in table) / len(confidence)
