"""Cast and write embeddings in a thread of its own, so that writing overlaps with encoding."""

from __future__ import annotations

import queue
import threading

from ..residues import Embedding, to_storage
from ..store.segments import SegmentWriter

_QUEUED = 64
"""Embeddings that may wait for the writer: bounds memory, hides its jitter."""


class BackgroundWriter:
    """Takes embeddings while earlier ones are written; errors surface in the next call or at exit.

    Parameters
    ----------
    writer : SegmentWriter
        Where they go. Its segment is committed by whoever opened it.
    dtype : str
        Storage type.
    """

    def __init__(self, writer: SegmentWriter, dtype: str) -> None:
        self._writer, self._dtype = writer, dtype
        self._queue: queue.Queue[Embedding | None] = queue.Queue(_QUEUED)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="sesstore-writer", daemon=True)

    def __enter__(self) -> BackgroundWriter:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def put(self, embedding: Embedding) -> None:
        """Hand over one embedding; waits while the writer is behind."""
        self._raise()
        self._queue.put(embedding)

    def flush(self) -> None:
        """Wait until all that was handed over has gone to the writer."""
        self._queue.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (embedding := self._queue.get()) is not None:
            if self._error is None:  # after an error, only drain, so that `put` never blocks
                try:
                    self._writer.add(to_storage(embedding, self._dtype))
                except BaseException as problem:
                    self._error = problem
            self._queue.task_done()
