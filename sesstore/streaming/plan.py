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


BLOCK = 65536
"""Residues that are read together where data do not fit memory: some 50 to 300 MB."""
MIXED = 8
"""Blocks whose proteins are shuffled together."""


def plan_epoch(
    lengths: NDArray[np.int64],
    budget: int,
    *,
    seed: int,
    epoch: int,
    places: NDArray[np.int64] | None = None,
) -> EpochPlan:
    """Shuffle proteins and cut them into batches.

    Parameters
    ----------
    lengths : ndarray, shape=(N,)
        Residues of each protein.
    budget : int
        Most residues of a batch.
    seed, epoch : int
        Equal ones give equal plans, on every machine.
    places : ndarray, shape=(N,), optional
        Where each protein stands in storage. With it blocks of neighbours are shuffled, and
        proteins among a few blocks, so that reading stays local; all proteins otherwise.

    Raises
    ------
    InputError
        The budget is not positive.
    """
    rng = np.random.Generator(np.random.PCG64([seed, epoch]))
    count = len(lengths)
    order = rng.permutation(count) if places is None else _blockwise(rng, lengths, places)
    return EpochPlan(_cut(order, lengths, budget), seed, epoch)


def plan_in_order(lengths: NDArray[np.int64], budget: int) -> EpochPlan:
    """Cut proteins into batches in the given order, as evaluation does; raises as `plan_epoch`."""
    return EpochPlan(_cut(np.arange(len(lengths)), lengths, budget), -1, -1)


def _blockwise(
    rng: np.random.Generator, lengths: NDArray[np.int64], places: NDArray[np.int64]
) -> NDArray[np.int64]:
    stored = np.argsort(places, kind="stable")
    block = np.cumsum(lengths[stored]) // BLOCK
    blocks = np.split(stored, np.flatnonzero(np.diff(block)) + 1)
    shuffled = [blocks[i] for i in rng.permutation(len(blocks))]
    mixed = [np.concatenate(shuffled[i : i + MIXED]) for i in range(0, len(shuffled), MIXED)]
    order: NDArray[np.int64] = np.concatenate([rng.permutation(rows) for rows in mixed])
    return order


def _cut(
    order: NDArray[np.int64], lengths: NDArray[np.int64], budget: int
) -> tuple[NDArray[np.int64], ...]:
    if budget < 1:
        raise InputError(f"a batch of {budget} residues holds nothing. Give --batch-tokens 1000")
    ends = np.cumsum(lengths[order])
    cuts, start, residues = [], 0, 0
    while start < len(order):
        # The last protein whose end is within the budget; at least one, however long.
        start = max(int(np.searchsorted(ends, residues + budget, side="right")), start + 1)
        residues = int(ends[start - 1])
        cuts.append(start)
    return tuple(np.split(order, cuts[:-1])) if len(order) else ()
