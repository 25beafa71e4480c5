"""How sure a score is: bootstrap intervals over the proteins of a split.

Proteins are drawn with replacement (all residues of one together), the metric is computed anew, and
the interval is between percentiles (Efron & Tibshirani 1993, chapter 13). With several seeds the
draw is the same for all and their mean counts, so the interval is of what the table shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..tasks import Problem
from .metrics import compute

DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Predicted:
    """What one run predicted for the rows of a split.

    Parameters
    ----------
    scores, labels : Tensor
        As `metrics.compute` takes them.
    rows : Tensor, shape=(N,), dtype=int64
        Row of the split (the protein) that each score is of.
    """

    scores: Tensor
    labels: Tensor
    rows: Tensor


def bootstrap(
    metric: str,
    problem: Problem,
    runs: Sequence[Predicted],
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Confidence interval of a metric's mean over runs.

    Parameters
    ----------
    metric : str
        Name, see `metrics.METRICS`.
    problem : Problem
        What was predicted.
    runs : sequence of Predicted
        Of the same rows, one a seed.
    draws : int
        Number of resamples.
    level : float
        Share of the resamples within the interval.
    seed : int
        Of the draws.

    Returns
    -------
    low, high : float
        NaN if the metric is not defined on any draw.
    """
    rng = np.random.default_rng(seed)
    members = _members(runs[0].rows.numpy())
    means = []
    for _ in range(draws):
        drawn = rng.integers(0, len(members), len(members))
        index = torch.from_numpy(np.concatenate([members[i] for i in drawn]))
        values = [
            compute([metric], problem, run.scores[index], run.labels[index])[metric] for run in runs
        ]
        means.append(float(np.mean(values)))
    defined = np.array(means)[~np.isnan(means)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _members(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Places of each protein's scores."""
    order = np.argsort(rows, kind="stable")
    cuts = np.flatnonzero(np.diff(rows[order])) + 1
    return np.split(order, cuts)
