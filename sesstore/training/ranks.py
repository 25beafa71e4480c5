"""Several processes that train together, each on its share of every batch.

Started by ``torchrun``; alone otherwise. Every process draws the same plan and reads only its own
rows, gradients are summed before each step, so weights are the same everywhere and equal those of
one process that sees whole batches, up to the order of summation (and dropout, which each draws for
itself). accelerate brings the processes together and also feeds trackers: of the launchers it is
the one that leaves the step to us, and our step sums explicit gradients, so there is no module to
wrap.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import MissingExtraError
from ..streaming.plan import EpochPlan

Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """The processes that train together.

    Parameters
    ----------
    rank : int
        This process, from 0. Rank 0 writes and speaks.
    world : int
        How many there are.
    """

    rank: int = 0
    world: int = 1

    def share(self, plan: EpochPlan, lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return this process's rows of every batch: about an equal number of residues for each.

        Parameters
        ----------
        plan : EpochPlan
            The same in all processes.
        lengths : ndarray, shape=(N,)
            Residues of each row.
        """
        if self.world == 1:
            return list(plan.batches)
        return [self._share(batch, lengths[batch]) for batch in plan.batches]

    def _share(self, batch: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        middle = np.cumsum(lengths) - lengths / 2
        owner = np.minimum(middle * self.world // max(lengths.sum(), 1), self.world - 1)
        mine: NDArray[np.int64] = batch[owner == self.rank]
        return mine

    def sum(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the sum of each tensor over all processes."""
        if self.world == 1:
            return list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        return [part.view(t.shape) for part, t in zip(parts, tensors, strict=True)]

    def total(self, value: float) -> float:
        """Return the sum of a number over all processes."""
        if self.world == 1:
            return value
        return float(self.sum([torch.tensor([value], dtype=torch.float64)])[0])

    def merged(self, found: Mapping[int, Value]) -> dict[int, Value]:
        """Return what all processes found, by place."""
        if self.world == 1:
            return dict(found)
        everything: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(everything, dict(found))
        return {place: value for part in everything for place, value in part.items()}

    def same(self, value: Value) -> Value:
        """Return what rank 0 says, in every process."""
        if self.world == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box)
        return box[0]


ALONE = Ranks()


def started_by_torchrun() -> bool:
    """Whether there are other processes to train with."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def ranks() -> Iterator[Ranks]:
    """Join the other processes that ``torchrun`` started, if there are any.

    Raises
    ------
    MissingExtraError
        There are others, and accelerate is not installed.
    """
    if not started_by_torchrun():
        yield ALONE
        return
    try:
        from accelerate import PartialState
    except ImportError:
        raise MissingExtraError("training in several processes", "track") from None
    state = PartialState(cpu=not torch.cuda.is_available())
    try:
        yield Ranks(state.process_index, state.num_processes)
    finally:
        state.destroy_process_group()
