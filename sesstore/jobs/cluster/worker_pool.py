"""The pool: Ray actors that are hired, called, and replaced when they or their machines die.

Every worker runs one call at a time, in a process of its own; a second thread of it answers `stop`
and `progress` meanwhile. The pool grows while the cluster has room for more workers.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ClusterError

_CONTROL = ("stop", "progress")
_LOOK_SECONDS = 5.0
"""How often the cluster is asked whether it has grown."""

_MOST_DEATHS = 16
"""So many workers may die one after the other, beyond one a worker, with no answer in between."""


@dataclass(frozen=True)
class Reply:
    """What came back from a worker.

    Parameters
    ----------
    worker : int
    method : str
        What it was asked to do; empty if it is lost.
    value : Any
        What that returned.
    error : Exception, optional
        What it raised instead.
    """

    worker: int
    method: str
    value: Any = None
    error: Exception | None = None

    @property
    def lost(self) -> bool:
        """Whether the worker died instead."""
        return not self.method


class WorkerPool:
    """Workers on a Ray cluster.

    Parameters
    ----------
    ray : module
        Connected, see `connection.connected`.
    kind : type
        The worker's class, with ``prepare``, ``work``, ``commit``, ``close``, ``stop`` and
        ``progress``.
    order : object
        What the class is made with.
    needs : mapping
        Of one worker: ``num_cpus``, ``num_gpus``.
    target_size : callable
        How many workers there should be now.
    """

    def __init__(
        self,
        ray: Any,
        kind: type,
        order: object,
        needs: Mapping[str, float],
        target_size: Callable[[], int],
    ) -> None:
        self._ray, self._target_size = ray, target_size
        options = {"max_restarts": 0, "max_task_retries": 0, "concurrency_groups": {"control": 1}}
        self._hire = ray.remote(**needs, **options)(kind)
        self._order = ray.put(order)
        self._handles: dict[int, Any] = {}
        self._calls: dict[Any, tuple[int, str]] = {}
        self._ready: set[int] = set()
        self._numbers = itertools.count(1)
        self._last_look = float("-inf")
        self._deaths = 0

    @property
    def ready(self) -> set[int]:
        """Workers that have prepared, busy or not."""
        return set(self._ready)

    def fill(self) -> None:
        """Hire as many workers as are wanted, and in the place of those that died."""
        seconds = time.monotonic()
        if seconds - self._last_look >= _LOOK_SECONDS:
            self._last_look, self._target = seconds, self._target_size()
        for _ in range(self._target - len(self._handles)):
            worker = next(self._numbers)
            self._handles[worker] = self._hire.remote(self._order)
            self.call(worker, "prepare")

    def idle(self) -> list[int]:
        """Workers that have prepared and do nothing."""
        busy = {worker for worker, method in self._calls.values() if method not in _CONTROL}
        return sorted(self._ready - busy)

    def awaits(self, worker: int, method: str) -> bool:
        """Whether an answer to a call is waited for."""
        return (worker, method) in self._calls.values()

    @property
    def waits(self) -> bool:
        """Whether any answer is waited for."""
        return bool(self._calls)

    def call(self, worker: int, method: str, *arguments: object) -> None:
        """Ask a worker for something; the answer comes from `replies`."""
        method_handle = getattr(self._handles[worker], method)
        if method in _CONTROL:
            method_handle = method_handle.options(concurrency_group="control")
        self._calls[method_handle.remote(*arguments)] = worker, method

    def replies(self, seconds: float) -> list[Reply]:
        """Wait for answers, and for workers that die.

        Raises
        ------
        ClusterError
            Workers die one after the other.
        """
        if not self._calls:
            time.sleep(seconds)
            return []
        ready_refs, _ = self._ray.wait(list(self._calls), timeout=seconds)
        if not ready_refs:
            return []
        # All that is there by now: one round trip for many short calls.
        all_refs, _ = self._ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        replies = [self._reply(ref) for ref in all_refs if ref in self._calls]
        return [answer for answer in replies if answer is not None]

    def dismiss(self, *, unready: bool = False) -> None:
        """End workers at once: all, or those that have not prepared yet."""
        for worker in list(self._handles):
            if not unready or worker not in self._ready:
                self._forget(worker)

    def _reply(self, ref: Any) -> Reply | None:
        if ref not in self._calls:  # of a worker that was lost by an answer before this one
            return None
        worker, method = self._calls.pop(ref)
        try:
            value = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as problem:
            return Reply(worker, method, error=problem.cause)
        except self._ray.exceptions.RayError as problem:
            self._forget(worker)
            self._note_death(str(problem))
            return Reply(worker, "")
        if method == "prepare":
            self._ready.add(worker)
        elif method == "work":
            self._deaths = 0
        return Reply(worker, method, value)

    def _forget(self, worker: int) -> None:
        self._ray.kill(self._handles.pop(worker))
        self._ready.discard(worker)
        self._calls = {ref: call for ref, call in self._calls.items() if call[0] != worker}

    def _note_death(self, reason: str) -> None:
        self._deaths += 1
        if self._deaths > _MOST_DEATHS + self._target:
            raise ClusterError(
                f"{self._deaths} workers died one after the other before any finished something. "
                f"The last one: {' '.join(reason.split())}. Most often memory is too small for so "
                f"many: give fewer --workers"
            )
