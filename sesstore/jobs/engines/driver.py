"""The driver: hands portions to a crew until all are settled, or somebody asks to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from ...progress import Stage
from .crew import Answer, Crew
from .ledger import Ledger
from .portions import Portion

Item = TypeVar("Item")

_TICK_SECONDS = 0.5
_ASK_SECONDS = 2.0
"""How often workers are asked how far they are."""

_FAREWELL_SECONDS = 10.0
"""How long workers whose portions others have done may take to end by themselves."""


class Driver(Generic[Item]):
    """Hands out portions.

    Parameters
    ----------
    crew : Crew
    ledger : Ledger
    arguments : callable
        What ``work`` takes beside a portion's number, from the portion.
    left : callable
        What is left to do of a portion whose worker died; None if nothing is.
    bar : Stage
        Told about sizes of portions.
    """

    def __init__(
        self,
        crew: Crew,
        ledger: Ledger[Item],
        arguments: Callable[[Portion[Item]], Sequence[object]],
        left: Callable[[Portion[Item]], Portion[Item] | None],
        bar: Stage,
    ) -> None:
        self._crew, self._ledger, self._bar = crew, ledger, bar
        self._arguments, self._left = arguments, left
        self._partial: dict[int, int] = {}
        self._shown = 0
        self._asked = time.monotonic()
        self.results: list[Any] = []
        """What ``work`` returned, of each portion that was done to its end."""

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
            while not self._ledger.finished and not stop:
                self._crew.fill()
                for worker in self._crew.idle():
                    self._occupy(worker)
                self._ask()
                for answer in self._crew.answers(_TICK_SECONDS):
                    if answer.error is not None:
                        raise answer.error
                    self._take_in(answer)
                self._show()
        finally:
            self._end()

    def _occupy(self, worker: int) -> None:
        taken = self._ledger.take(worker, time.monotonic())
        if taken is not None:
            number, portion = taken
            self._crew.call(worker, "work", number, *self._arguments(portion))
        elif self._ledger.holds(worker):
            self._crew.call(worker, "commit")

    def _ask(self) -> None:
        if time.monotonic() - self._asked < _ASK_SECONDS:
            return
        self._asked = time.monotonic()
        for worker in self._crew.ready:
            if self._crew.is_asked(worker, "work") and not self._crew.is_asked(worker, "progress"):
                self._crew.call(worker, "progress")

    def _take_in(self, answer: Answer) -> None:
        if answer.lost:
            self._partial.pop(answer.worker, None)
            self._lose(answer.worker)
        elif answer.method == "progress":
            self._partial[answer.worker] = answer.value
        elif answer.method == "commit":
            self._ledger.settle(answer.value)
        elif answer.method == "work" and answer.value.complete:
            self._partial.pop(answer.worker, None)
            self._ledger.hold(answer.worker, time.monotonic())
            self._ledger.settle(answer.value.committed)
            self.results.append(answer.value)

    def _lose(self, worker: int) -> None:
        for number in self._ledger.lose(worker):
            portion = self._ledger.portion(number)
            left = self._left(portion)
            if left is not portion:
                self._ledger.replace(number, left)

    def _show(self) -> None:
        reached = self._ledger.done + sum(self._partial.values())
        if reached > self._shown:  # a bar never goes back, whatever is lost
            self._bar.advance(reached - self._shown)
            self._shown = reached
        self._bar.show(workers=str(len(self._crew.ready)))

    def _end(self) -> None:
        """Let all workers commit (drop what is done already), and go."""
        finished = self._ledger.finished
        deadline = time.monotonic() + (_FAREWELL_SECONDS if finished else float("inf"))
        self._crew.dismiss(unready=True)
        for worker in self._crew.ready:
            self._crew.call(worker, "stop")
            self._crew.call(worker, "close" if finished else "commit")
        while self._crew.waits and time.monotonic() < deadline:
            for answer in self._crew.answers(_TICK_SECONDS):
                if answer.error is None:
                    self._take_in(answer)
                # Only now: calls that wait may overtake each other.
                if answer.method == "commit" and answer.worker in self._crew.ready:
                    self._crew.call(answer.worker, "close")
        self._show()
        self._crew.dismiss()
