"""Several processes that train together, each on its share of every batch.

Started by ``torchrun``; alone otherwise. Every process draws the same plan and reads only its own
rows, gradients are summed before each step, so weights are the same everywhere and equal those of
one process that sees whole batches, up to the order of summation (and dropout, which each draws for
itself). On GPUs each process has one of its own, and tensors meet over NCCL; numbers and Python
values are the host's and meet over Gloo, so that no step waits for a GPU to hand one over.

accelerate brings the processes together and also feeds trackers: of the launchers it is the one
that leaves the step to us, and our step sums explicit gradients, so there is no module to wrap.
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

from ..errors import InputError, MissingExtraError
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
    device : torch.device, optional
        What this process trains on; None leaves it to `FitConfig.device`.
    """

    rank: int = 0
    world: int = 1
    device: torch.device | None = None

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
        part: NDArray[np.int64] = batch[owner == self.rank]
        return part

    def sum(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the sum of each tensor over all processes; all lie on one device."""
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

    def merged(self, local: Mapping[int, Value]) -> dict[int, Value]:
        """Return what all processes found, by place."""
        if self.world == 1:
            return dict(local)
        everything: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(everything, dict(local))
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


HOST_AND_GPU = "cpu:gloo,cuda:nccl"
"""Backends of a process group on GPUs: NCCL alone takes no tensor of the host."""


def rank_device(name: str | None, place: int, processes: int, gpus: int) -> torch.device:
    """Return the device of one of several processes.

    Parameters
    ----------
    name : str or None
        What was asked for: a kind of device, as each process needs one of its own; GPUs by
        default, where there are any.
    place, processes : int
        Number of the process on its machine, from 0, and how many that machine has.
    gpus : int
        How many GPUs the machine has.

    Raises
    ------
    InputError
        One GPU is named for all, or there are fewer GPUs than processes.
    """
    if name is None:
        name = "cuda" if gpus else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if name != "cuda":
        raise InputError(
            f"{processes} processes cannot share device '{name}'. Say --device cuda, and each "
            f"takes a GPU of its own; choose among them by CUDA_VISIBLE_DEVICES"
        )
    processes = max(processes, place + 1)
    if processes > gpus:
        raise InputError(
            f"{processes} processes on this machine, and {gpus} GPUs. Start as many as there are "
            f"GPUs (torchrun --nproc-per-node {max(gpus, 1)}), or say --device cpu"
        )
    return torch.device("cuda", place)


@contextmanager
def ranks(device: str | None = None) -> Iterator[Ranks]:
    """Join the other processes that ``torchrun`` started, if there are any.

    Parameters
    ----------
    device : str or None
        As `FitConfig.device`.

    Raises
    ------
    MissingExtraError
        There are others, and accelerate is not installed.
    InputError
        The device does not suit several processes; see `rank_device`.
    """
    if not started_by_torchrun():
        yield ALONE
        return
    try:
        from accelerate import PartialState
    except ImportError:
        raise MissingExtraError("training in several processes", "track") from None
    place = int(os.environ.get("LOCAL_RANK", "0"))
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    local_device = rank_device(device, place, processes, torch.cuda.device_count())
    if local_device.type == "cuda":
        torch.cuda.set_device(local_device)
        state = PartialState(backend=HOST_AND_GPU)
    else:
        state = PartialState(cpu=True)
    try:
        yield Ranks(state.process_index, state.num_processes, local_device)
    finally:
        state.destroy_process_group()
