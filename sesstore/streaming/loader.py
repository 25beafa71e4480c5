"""Run a plan: batches read ahead in a thread, so that reading overlaps with compute.

Where values come from is the reader's matter (`SplitData.hold`): copied from the store's mapped
files batch by batch, ahead of their use, or from memory that holds a whole split.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .batch import Batch
from .reader import SplitData
from .transfer import Transfer

AHEAD = 3
"""Batches that are ready before they are needed."""

Ready = queue.Queue[tuple[Batch, Any] | BaseException | None]
"""Batches with what tells that they have arrived; last an error, or None at the end."""


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
        self.wait_seconds = 0.0
        """Seconds the consumer waited for data."""

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Generator[Batch, None, None]:
        ready: Ready = queue.Queue(AHEAD)
        closing, transfer = threading.Event(), Transfer(self._device)
        reader = threading.Thread(
            target=self._read_all,
            args=(ready, closing, transfer),
            name="sesstore-reader",
            daemon=True,
        )
        reader.start()
        try:
            while True:
                began = time.perf_counter()
                item = ready.get()
                self.wait_seconds += time.perf_counter() - began
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield transfer.receive(*item)
        finally:
            closing.set()
            while reader.is_alive():  # make room, should the reader wait for it
                _drain(ready)
                reader.join(0.01)

    def _read_all(self, ready: Ready, closing: threading.Event, transfer: Transfer) -> None:
        last: BaseException | None = None
        try:
            with transfer.reading():
                for index in self._batches:
                    if closing.is_set():
                        return
                    ready.put(transfer.send(self._data.read(index, transfer.device)))
        except BaseException as problem:
            last = problem
        ready.put(last)


def _drain(ready: Ready) -> None:
    try:
        while True:
            ready.get_nowait()
    except queue.Empty:
        return
