"""Cast and write embeddings in threads of their own, so that writing overlaps with encoding.

One thread writes about 0.8 GB a second, most of it SHA-256 and the system's copy, which leave the
interpreter to others. So while embeddings come faster than they are written, threads are added, up
to one a core, and each writes a segment of its own; a slow encoder still gets one segment at a
time. What waits is bounded in bytes.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...memory import available_cores
from ...residues import Embedding, to_storage
from ...store.segment_writer import SegmentWriter
from .layer_writer import LayerWriter

WAITING_BYTES = 256 << 20
"""Bytes that may wait for the threads: above a large batch of a GPU, which comes all at once."""

_MOST_THREADS = 8
"""Each may have a segment in hand, and no disk takes more than these give."""

_SERIAL = 32_000
"""Values torch converts in the calling thread: from 32,768 on it would wake others."""


def cast(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return an array in another type, as `residues.as_type` does, by torch: 30 times as fast."""
    if values.dtype == np.dtype(dtype):
        return values
    plain = np.require(values, requirements=("C", "W"))  # torch takes no others
    stored = np.empty(plain.shape, dtype)
    source, target = (torch.from_numpy(array).view(-1) for array in (plain, stored))
    for start in range(0, stored.size, _SERIAL):
        target[start : start + _SERIAL].copy_(source[start : start + _SERIAL])
    return stored


class BackgroundWriter:
    """Takes embeddings while earlier ones are written; errors surface in the next call or at exit.

    Parameters
    ----------
    writer : SegmentWriter or LayerWriter
        Where they go. Its segments are committed by whoever opened it.
    dtype : str
        Storage type.
    threads : int, optional
        How many may write at a time; by default one a core, at most eight.
    """

    def __init__(
        self, writer: SegmentWriter | LayerWriter, dtype: str, *, threads: int | None = None
    ) -> None:
        self._writer, self._dtype = writer, dtype
        self._max_threads = threads or min(available_cores(), _MOST_THREADS)
        turn = threading.Lock()
        self._work = threading.Condition(turn)  # something waits, or the end has come
        self._room = threading.Condition(turn)  # something was written
        self._queue: deque[Embedding] = deque()
        self._bytes = self._unwritten = 0  # of what waits or is being written
        self._ending = False
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> BackgroundWriter:
        self._start_thread()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._work:
            if kind is not None:  # nothing of it would be committed
                self._discard()
            self._ending = True
            self._work.notify_all()
        for thread in self._threads:
            thread.join()
        if kind is None:
            self._raise()

    def write(self, embedding: Embedding) -> None:
        """Hand over one embedding; waits while too much waits to be written."""
        with self._work:
            if self._bytes >= WAITING_BYTES:
                if len(self._threads) < self._max_threads:
                    self._start_thread()
                self._room.wait_for(lambda: self._bytes < WAITING_BYTES)
            self._raise()
            self._queue.append(embedding)
            self._bytes += embedding.values.nbytes
            self._unwritten += 1
            self._work.notify()

    def flush(self) -> None:
        """Wait until all that was handed over has gone to the writer."""
        with self._room:
            self._room.wait_for(lambda: not self._unwritten)
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _start_thread(self) -> None:
        name = f"sesstore-writer-{len(self._threads)}"
        self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
        self._threads[-1].start()

    def _run(self) -> None:
        while (embedding := self._next()) is not None:
            try:
                self._writer.add(to_storage(embedding, self._dtype, cast=cast))
            except BaseException as problem:
                with self._work:  # the first error is the cause; so that `write` never blocks
                    self._error = self._error or problem
                    self._discard()
            with self._room:
                self._count_out(embedding)
                self._room.notify_all()

    def _next(self) -> Embedding | None:
        """What to write next; None at the end."""
        with self._work:
            self._work.wait_for(lambda: self._queue or self._ending)
            return self._queue.popleft() if self._queue else None

    def _discard(self) -> None:
        while self._queue:
            self._count_out(self._queue.popleft())

    def _count_out(self, embedding: Embedding) -> None:
        self._bytes -= embedding.values.nbytes
        self._unwritten -= 1
