"""Run a plan: batches read ahead in a thread, so that reading overlaps with compute.

Where values come from is the reader's matter (`SplitData.hold`): copied from the store's mapped
files batch by batch, ahead of their use, or from memory that holds a whole split.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .batch import Batch
from .reader import SplitData

AHEAD = 3
"""Batches that are ready before they are needed."""


class Loader:
    """Iterates over the batches of a plan, reading ahead.

    Parameters
    ----------
    data : SplitData
        Where rows come from.
    batches : sequence of ndarray, dtype=int64
        Rows of each batch, in order: of an `EpochPlan`, or a part of it.
    device : torch.device
        Where batches are needed.
    """

    def __init__(
        self, data: SplitData, batches: Sequence[NDArray[np.int64]], device: torch.device
    ) -> None:
        self._data, self._device = data, device
        self._batches = batches
        self.waited = 0.0
        """Seconds the consumer waited for data."""

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Generator[Batch, None, None]:
        ready: queue.Queue[Batch | BaseException | None] = queue.Queue(AHEAD)
        closing = threading.Event()
        reader = threading.Thread(
            target=self._read_all, args=(ready, closing), name="sesstore-reader", daemon=True
        )
        reader.start()
        try:
            while True:
                began = time.perf_counter()
                item = ready.get()
                self.waited += time.perf_counter() - began
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item.to(self._device)
        finally:
            closing.set()
            while reader.is_alive():  # make room, should the reader wait for it
                _drain(ready)
                reader.join(0.01)

    def _read_all(
        self, ready: queue.Queue[Batch | BaseException | None], closing: threading.Event
    ) -> None:
        last: BaseException | None = None
        try:
            for index in self._batches:
                if closing.is_set():
                    return
                ready.put(self._read(index))
        except BaseException as problem:
            last = problem
        ready.put(last)

    def _read(self, index: NDArray[np.int64]) -> Batch:
        batch = self._data.read(index)
        if self._device.type == "cuda":
            return Batch(
                _pinned(batch.values),
                {name: _pinned(codes) for name, codes in batch.tokens.items()},
                batch.lengths,
                None if batch.labels is None else _pinned(batch.labels),
                batch.index,
            )
        # Cast here, in the reader's thread: the adapter computes in float32 on a CPU.
        return Batch(
            batch.values.to(torch.float32), batch.tokens, batch.lengths, batch.labels, batch.index
        )


def _pinned(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_cuda else tensor.pin_memory()


def _drain(ready: queue.Queue[Batch | BaseException | None]) -> None:
    try:
        while True:
            ready.get_nowait()
    except queue.Empty:
        return
