"""Cut an epoch into packed batches.

A plan is a permutation of proteins split so that no batch exceeds the budget of residues; a protein
longer than the budget stands alone. Seeded by (seed, epoch): two processes agree without talking,
and an interrupted epoch goes on at any batch. Nothing here reads data: lengths in, indices out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError


@dataclass(frozen=True, eq=False)
class EpochPlan:
    """The batches of one epoch, in order.

    Parameters
    ----------
    batches : tuple of ndarray, dtype=int64
        Protein indices of each batch; every protein is in exactly one.
    seed, epoch : int
        What it was drawn from; -1 for a plan in the given order.
    """

    batches: tuple[NDArray[np.int64], ...]
    seed: int
    epoch: int


def plan_epoch(lengths: NDArray[np.int64], budget: int, *, seed: int, epoch: int) -> EpochPlan:
    """Shuffle proteins and cut them into batches.

    Parameters
    ----------
    lengths : ndarray, shape=(N,)
        Residues of each protein.
    budget : int
        Most residues of a batch.
    seed, epoch : int
        Equal ones give equal plans, on every machine.

    Raises
    ------
    InputError
        The budget is not positive.
    """
    order = np.random.Generator(np.random.PCG64([seed, epoch])).permutation(len(lengths))
    return EpochPlan(_cut(order, lengths, budget), seed, epoch)


def plan_in_order(lengths: NDArray[np.int64], budget: int) -> EpochPlan:
    """Cut proteins into batches in the given order, as evaluation does; raises as `plan_epoch`."""
    return EpochPlan(_cut(np.arange(len(lengths)), lengths, budget), -1, -1)


def _cut(
    order: NDArray[np.int64], lengths: NDArray[np.int64], budget: int
) -> tuple[NDArray[np.int64], ...]:
    if budget < 1:
        raise InputError(f"a batch of {budget} residues holds nothing. Give --batch-tokens 1000")
    ends = np.cumsum(lengths[order])
    cuts, start, used = [], 0, 0
    while start < len(order):
        # The last protein whose end is within the budget; at least one, however long.
        start = max(int(np.searchsorted(ends, used + budget, side="right")), start + 1)
        used = int(ends[start - 1])
        cuts.append(start)
    return tuple(np.split(order, cuts[:-1])) if len(order) else ()
