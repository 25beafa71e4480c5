"""Portions: what a worker takes at a time, all of roughly one cost, the longest proteins first.

A portion, not a protein, is the unit of all bookkeeping: some hundred proteins, a few seconds to a
few minutes of work. Large ones cost less to hand out; small ones lose less when a worker dies, and
let all workers end together. So there are at least sixteen a worker, and none is larger than what
fits a call without a copy in Ray's object store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Generic, TypeVar

from ...proteins import Protein

Item = TypeVar("Item")

MOST_RESIDUES = 1 << 16
MOST_FLOPS = 5e13
"""A second on a fast GPU, some minutes on a CPU core."""

PORTIONS_A_WORKER = 16


@dataclass(frozen=True, eq=False)
class Portion(Generic[Item]):
    """Work for one worker.

    Parameters
    ----------
    items : sequence
        What is to be done.
    size : int
        In the unit of the progress bar.
    cost : float
        What it takes, in any unit; portions of equal cost take equally long.
    losses : int
        How many workers died while they did it.
    """

    items: Sequence[Item]
    size: int
    cost: float
    losses: int = 0

    def halves(self) -> list[Portion[Item]]:
        """Two portions of half the items each, as if they were lost once."""
        middle = len(self.items) // 2
        return [
            Portion(part, self.size * len(part) // len(self.items), self.cost / 2, 1)
            for part in (self.items[:middle], self.items[middle:])
        ]


@dataclass(frozen=True)
class Done:
    """What came of a portion.

    Parameters
    ----------
    complete : bool
        Whether it was done to its end.
    committed : list of int
        Numbers of portions that will not be lost any more, this one or earlier ones.
    failures : dict of bytes to str
        Why a protein of this portion was not encoded, by digest.
    """

    complete: bool
    committed: list[int]
    failures: dict[bytes, str] = field(default_factory=dict)


def cut(
    proteins: Iterable[Protein], flops: Callable[[int], int], workers: int
) -> list[Portion[Protein]]:
    """Cut proteins into portions of roughly equal cost.

    Parameters
    ----------
    proteins : iterable of Protein
    flops : callable
        Floating-point operations for a protein of some length, see `Encoder.flops`; where it says
        none (a lookup), residues count instead.
    workers : int
        How many there are to be busy.

    Returns
    -------
    list of Portion
        Longest proteins first.
    """
    ordered = sorted(proteins, key=lambda protein: (-len(protein), protein.digest))
    cost_of = cache(lambda length: flops(length) or length)
    total = sum(cost_of(len(protein)) for protein in ordered)
    limit = min(total / (workers * PORTIONS_A_WORKER), MOST_FLOPS)
    portions: list[Portion[Protein]] = []
    taken: list[Protein] = []
    size = cost = 0
    for protein in ordered:
        if taken and (cost >= limit or size + len(protein) > MOST_RESIDUES):
            portions.append(Portion(taken, size, cost))
            taken, size, cost = [], 0, 0
        taken.append(protein)
        size += len(protein)
        cost += cost_of(len(protein))
    return [*portions, Portion(taken, size, cost)] if taken else portions
