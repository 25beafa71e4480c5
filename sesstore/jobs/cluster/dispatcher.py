"""The driver: hands work items to a pool until all are settled, or somebody asks to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from ...progress import Stage
from .work_items import WorkItem
from .work_queue import WorkQueue
from .worker_pool import Reply, WorkerPool

Item = TypeVar("Item")

_TICK_SECONDS = 0.5
_ASK_SECONDS = 2.0
"""How often workers are asked how far they are."""

_FAREWELL_SECONDS = 10.0
"""How long workers whose work items others have done may take to end by themselves."""


class Dispatcher(Generic[Item]):
    """Hands out work items.

    Parameters
    ----------
    pool : WorkerPool
    queue : WorkQueue
    arguments : callable
        What ``work`` takes beside a work item's number, from the work item.
    remaining : callable
        What is left to do of a work item whose worker died; None if nothing is.
    bar : Stage
        Told about sizes of work items.
    """

    def __init__(
        self,
        pool: WorkerPool,
        queue: WorkQueue[Item],
        arguments: Callable[[WorkItem[Item]], Sequence[object]],
        remaining: Callable[[WorkItem[Item]], WorkItem[Item] | None],
        bar: Stage,
    ) -> None:
        self._pool, self._queue, self._bar = pool, queue, bar
        self._arguments, self._remaining = arguments, remaining
        self._partial: dict[int, int] = {}
        self._bar_position = 0
        self._last_poll = time.monotonic()
        self.results: list[Any] = []
        """What ``work`` returned, of each work item that was done to its end."""

    def run(self, stop: object) -> None:
        """Work until everything is settled or `stop` is true; what was done is committed then.

        Raises
        ------
        ClusterError
            Workers die one after the other.
        SesstoreError
            Whatever a worker raised; the others commit what they have done.
        """
        try:
            while not self._queue.all_settled and not stop:
                self._pool.fill()
                for worker in self._pool.idle():
                    self._occupy(worker)
                self._ask()
                for answer in self._pool.replies(_TICK_SECONDS):
                    if answer.error is not None:
                        raise answer.error
                    self._take_in(answer)
                self._show()
        finally:
            self._end()

    def _occupy(self, worker: int) -> None:
        assignment = self._queue.take(worker, time.monotonic())
        if assignment is not None:
            number, work_item = assignment
            self._pool.call(worker, "work", number, *self._arguments(work_item))
        elif self._queue.has_uncommitted(worker):
            self._pool.call(worker, "commit")

    def _ask(self) -> None:
        if time.monotonic() - self._last_poll < _ASK_SECONDS:
            return
        self._last_poll = time.monotonic()
        for worker in self._pool.ready:
            if self._pool.awaits(worker, "work") and not self._pool.awaits(worker, "progress"):
                self._pool.call(worker, "progress")

    def _take_in(self, answer: Reply) -> None:
        if answer.lost:
            self._partial.pop(answer.worker, None)
            self._lose(answer.worker)
        # One that comes after the work it is of would count that a second time.
        elif answer.method == "progress" and self._pool.awaits(answer.worker, "work"):
            self._partial[answer.worker] = answer.value
        elif answer.method == "commit":
            self._queue.settle(answer.value)
        elif answer.method == "work" and answer.value.complete:
            self._partial.pop(answer.worker, None)
            self._queue.mark_done(answer.worker, time.monotonic())
            self._queue.settle(answer.value.committed)
            self.results.append(answer.value)

    def _lose(self, worker: int) -> None:
        for number in self._queue.lose(worker):
            # Its last commit may have succeeded without the reply reaching us: the store decides.
            work_item = self._queue.work_item(number)
            remaining = self._remaining(work_item)
            if remaining is not work_item:
                self._queue.replace(number, remaining)

    def _show(self) -> None:
        position = self._queue.progress + sum(self._partial.values())
        if position > self._bar_position:  # a bar never goes back, whatever is lost
            self._bar.advance(position - self._bar_position)
            self._bar_position = position
        self._bar.show(workers=str(len(self._pool.ready)))

    def _end(self) -> None:
        """Let all workers commit (drop what is done already), and go."""
        all_settled = self._queue.all_settled
        deadline = time.monotonic() + (_FAREWELL_SECONDS if all_settled else float("inf"))
        # A worker that still loads its encoder has nothing to commit and would be waited for.
        self._pool.dismiss(unready=True)
        for worker in self._pool.ready:
            self._pool.call(worker, "stop")
            self._pool.call(worker, "close" if all_settled else "commit")
        while self._pool.waits and time.monotonic() < deadline:
            for answer in self._pool.replies(_TICK_SECONDS):
                if answer.error is None:
                    self._take_in(answer)
                # Only now: calls that wait may overtake each other.
                if answer.method == "commit" and answer.worker in self._pool.ready:
                    self._pool.call(answer.worker, "close")
        self._show()
        self._pool.dismiss()
