"""Workers without a cluster and an encoder without a cost, for `scaling`.

To a dispatcher `SimulatedPool` looks as `sesstore.jobs.cluster.worker_pool.WorkerPool` does; it
calls its workers in threads of this process, or at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from sesstore.jobs.cluster.embed_worker import Outcome
from sesstore.jobs.cluster.worker_pool import Reply
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint
from sesstore.residues import Embedding

_DIM = 8


class NoCostEncoder:
    """Embeddings of zeros, [L, 8], cut from one array."""

    name = full_name = "nothing"
    dim, licence, citation = _DIM, "", ""
    fingerprint = Fingerprint("nothing", "0" * 64, 0, "none", "none", "fp32")
    fingerprints = (fingerprint,)
    _zeros = np.zeros((1024, _DIM), np.float32)

    def __init__(self) -> None:
        self.failures: dict[bytes, str] = {}

    def encode(self, proteins: Iterable[Protein]) -> Iterator[Embedding]:
        """Yield an embedding a protein."""
        for protein in proteins:
            yield Embedding(protein.digest, self._zeros[: len(protein)])


class AnswerAtOnce:
    """A worker that has done and committed everything as soon as it is asked."""

    def prepare(self) -> None:
        """Do nothing."""

    def work(self, number: int, sequences: Sequence[str]) -> Outcome:
        """Say it is done."""
        return Outcome(True, [number])

    def commit(self) -> list[int]:
        """Nothing is in hand."""
        return []

    def close(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def progress(self) -> int:
        """Nothing is in hand."""
        return 0


class SimulatedPool:
    """Workers of this process.

    Parameters
    ----------
    workers : list
        Each with the methods of a worker.
    threads : int
        How many run at once; with 0 each call is answered when it is made.
    eager : bool
        Let a worker commit after each work item.
    """

    def __init__(self, workers: list[Any], threads: int, *, eager: bool = False) -> None:
        self._workers = dict(enumerate(workers))
        # As an actor does: one call at a time, but `stop` and `progress` at any time.
        self._turns = {worker: threading.Lock() for worker in self._workers}
        self._pool = ThreadPoolExecutor(threads) if threads else None
        self._eager = eager
        self._calls: dict[Future[Any], tuple[int, str]] = {}
        self.ready: set[int] = set()

    @property
    def waits(self) -> bool:
        """Whether any answer is waited for."""
        return bool(self._calls)

    def fill(self) -> None:
        """Let all workers prepare, once."""
        if not self.ready:
            for worker, actor in self._workers.items():
                actor.prepare()
                self.ready.add(worker)

    def idle(self) -> list[int]:
        """Workers that do nothing."""
        return sorted(self.ready - {worker for worker, _ in self._calls.values()})

    def awaits(self, worker: int, method: str) -> bool:
        """Whether an answer to a call is waited for."""
        return (worker, method) in self._calls.values()

    def call(self, worker: int, method: str, *arguments: object) -> None:
        """Ask a worker for something."""
        reply_of = self._committed if method == "work" and self._eager else self._reply
        if self._pool is None:
            future: Future[Any] = Future()
            future.set_result(reply_of(worker, method, *arguments))
        else:
            future = self._pool.submit(reply_of, worker, method, *arguments)
        self._calls[future] = worker, method

    def _reply(self, worker: int, method: str, *arguments: object) -> Any:
        call = getattr(self._workers[worker], method)
        if method in ("stop", "progress"):
            return call(*arguments)
        with self._turns[worker]:
            return call(*arguments)

    def _committed(self, worker: int, method: str, *arguments: object) -> Outcome:
        with self._turns[worker]:
            outcome: Outcome = getattr(self._workers[worker], method)(*arguments)
            return Outcome(outcome.complete, self._workers[worker].commit(), outcome.failures)

    def replies(self, seconds: float) -> list[Reply]:
        """Wait for answers."""
        completed, _ = wait(self._calls, seconds, FIRST_COMPLETED)
        return [Reply(*self._calls.pop(future), future.result()) for future in completed]

    def dismiss(self, *, unready: bool = False) -> None:
        """End the threads, after the last call."""
        if not unready and self._pool is not None:
            self._pool.shutdown()
