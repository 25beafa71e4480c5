"""Run a plan: batches read ahead in a thread, so that reading overlaps with compute.

Where values come from is the reader's matter (`SplitData.hold`): copied from the store's mapped
files batch by batch, ahead of their use, or from memory that holds a whole split. On a GPU a batch
is one copy from pinned memory, which the reader gathers into, on a stream of its own: the copy
overlaps with what the GPU computes. Elsewhere values are cast to float32.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .batch import Batch
from .reader import SplitData


class Transfer:
    """The way of batches to one device.

    Parameters
    ----------
    device : torch.device
        Where batches are needed. A GPU without a number is the current one of the thread that makes
        this, as another thread has its own.
    """

    def __init__(self, device: torch.device) -> None:
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        self.device = device
        self._stream: Any = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def reading(self) -> AbstractContextManager[Any]:
        """What the reader's thread runs in: with the device current, and the copies' stream."""
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def send(self, batch: Batch) -> tuple[Batch, Any]:
        """Begin to take a batch to the device, in the reader's thread; see `receive`."""
        if self._stream is None:
            return replace(batch, values=batch.values.to(torch.float32)).to(self.device), None
        on_device = batch.to(self.device)
        return on_device, self._stream.record_event()

    def receive(self, batch: Batch, copied: Any) -> Batch:
        """Return a batch that was sent, to be used by the calling thread.

        The work it puts on its stream from now on comes after the copy, and the memory is taken for
        another batch only after that work.
        """
        if copied is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(copied)
            for tensor in batch.tensors():
                tensor.record_stream(stream)
        return batch


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
