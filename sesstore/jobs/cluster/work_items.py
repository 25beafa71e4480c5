"""Portions: what a worker takes at a time, all of roughly one cost, the longest proteins first.

A work item, not a protein, is the unit of all bookkeeping: a few seconds to a few minutes of work.
Large ones cost less to hand out; small ones lose less when a worker dies, and let all workers end
together. So there are sixteen a worker, within limits: on CPUs none is larger than what fits a call
without a copy in Ray's object store; a GPU, which runs empty at the end of each, gets some whole
batches, and up to two million residues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Generic, TypeVar

from ...proteins import Protein

Item = TypeVar("Item")

ITEMS_A_WORKER = 16


@dataclass(frozen=True)
class Limits:
    """How large work items are.

    Parameters
    ----------
    least_residues : int
        None but the last has fewer, however few there are for a worker.
    most_residues, most_flops : int, float
        None that has several proteins and the least goes on beyond these.
    """

    least_residues: int
    most_residues: int
    most_flops: float


FOR_CPUS = Limits(0, 1 << 16, 5e13)
"""At most some minutes on a core."""

FOR_GPUS = Limits(1 << 17, 1 << 21, 5e15)
"""Two batches at least; at most some ten seconds on a fast one."""


@dataclass(frozen=True, eq=False)
class WorkItem(Generic[Item]):
    """Work for one worker.

    Parameters
    ----------
    items : sequence
        What is to be done.
    size : int
        In the unit of the progress bar.
    cost : float
        What it takes, in any unit; work items of equal cost take equally long.
    losses : int
        How many workers died while they did it.
    """

    items: Sequence[Item]
    size: int
    cost: float
    losses: int = 0

    def halves(self) -> list[WorkItem[Item]]:
        """Two work items of half the items each, as if they were lost once."""
        middle = len(self.items) // 2
        size = self.size * middle // len(self.items)
        return [
            WorkItem(self.items[:middle], size, self.cost / 2, 1),
            WorkItem(self.items[middle:], self.size - size, self.cost / 2, 1),
        ]


@dataclass(frozen=True)
class Outcome:
    """What came of a work item.

    Parameters
    ----------
    complete : bool
        Whether it was done to its end.
    committed : list of int
        Numbers of work items that will not be lost any more, this one or earlier ones.
    failures : dict of bytes to str
        Why a protein of this work item was not encoded, by digest.
    """

    complete: bool
    committed: list[int]
    failures: dict[bytes, str] = field(default_factory=dict)


def cut(
    proteins: Iterable[Protein], flops: Callable[[int], int], workers: int, limits: Limits
) -> list[WorkItem[Protein]]:
    """Cut proteins into work items of roughly equal cost.

    Parameters
    ----------
    proteins : iterable of Protein
    flops : callable
        Floating-point operations for a protein of some length, see `Encoder.flops`; where it says
        none (a lookup), residues count instead.
    workers : int
        How many there are to be busy.
    limits : Limits
        `FOR_CPUS` or `FOR_GPUS`, by what workers run on.

    Returns
    -------
    list of WorkItem
        Longest proteins first.
    """
    ordered = sorted(proteins, key=lambda protein: (-len(protein), protein.digest))
    cost_of = cache(lambda length: flops(length) or length)
    total = sum(cost_of(len(protein)) for protein in ordered)
    target_cost = min(total / (workers * ITEMS_A_WORKER), limits.most_flops)
    work_items: list[WorkItem[Protein]] = []
    chunk: list[Protein] = []
    size = cost = 0
    for protein in ordered:
        enough = cost >= target_cost and size >= limits.least_residues
        if chunk and (enough or size + len(protein) > limits.most_residues):
            work_items.append(WorkItem(chunk, size, cost))
            chunk, size, cost = [], 0, 0
        chunk.append(protein)
        size += len(protein)
        cost += cost_of(len(protein))
    return [*work_items, WorkItem(chunk, size, cost)] if chunk else work_items
