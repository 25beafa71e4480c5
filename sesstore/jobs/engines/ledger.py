"""The ledger: which portions wait, which worker has which, and what is settled.

Plain bookkeeping without any cluster, so that it can be tested and timed alone. A portion is
*running* at a worker, then *held* (done, but not committed yet), then *settled* (committed). What a
worker that dies was running or held waits again. A portion may run twice (stragglers); whoever is
first settles it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import Generic, TypeVar

from .portions import Portion

Item = TypeVar("Item")

SLOW = 2.0
"""A portion that takes so many times as long as others of its cost is handed out again."""

PATIENCE_SECONDS = 2.0
"""But not before it has run so long."""

MOST_LOSSES = 3
"""An item that so many workers died of, alone, is given up."""

_REMEMBERED = 101


class Ledger(Generic[Item]):
    """Portions by what became of them.

    Parameters
    ----------
    portions : iterable of Portion
        In the order they are to be handed out.
    """

    def __init__(self, portions: Iterable[Portion[Item]]) -> None:
        self._portions: dict[int, Portion[Item]] = dict(enumerate(portions))
        self._waiting = deque(self._portions)
        self._next = len(self._portions)
        self._running: dict[int, tuple[int, float]] = {}
        self._held: dict[int, set[int]] = {}
        self._paces: deque[float] = deque(maxlen=_REMEMBERED)
        self.done = 0
        """Size of what is held or settled."""
        self.given_up: list[Item] = []
        """Items that no worker survived."""

    @property
    def finished(self) -> bool:
        """Whether everything is settled or given up."""
        return not self._portions

    def take(self, worker: int, now: float) -> tuple[int, Portion[Item]] | None:
        """Give a worker a portion: the next one, else one that runs too slowly elsewhere.

        Parameters
        ----------
        worker : int
            One that runs nothing.
        now : float
            Seconds by any clock.

        Returns
        -------
        (int, Portion) or None
            Its number and itself.
        """
        while self._waiting:
            number = self._waiting.popleft()
            if number in self._portions:  # not settled by a straggler meanwhile
                break
        else:
            slowest = self._straggler(now)
            if slowest is None:
                return None
            number = slowest
        self._running[worker] = number, now
        return number, self._portions[number]

    def hold(self, worker: int, now: float) -> None:
        """Note that a worker has done what it was running, and not committed it yet."""
        number, started = self._running.pop(worker)
        portion = self._portions.get(number)
        if portion is None:
            return
        self._paces.append((now - started) / portion.cost)
        if not self._holders(number):
            self.done += portion.size
        self._held.setdefault(worker, set()).add(number)

    def settle(self, numbers: Iterable[int]) -> None:
        """Note that portions are committed."""
        for number in numbers:
            if self._portions.pop(number, None) is not None:
                for held in self._held.values():
                    held.discard(number)

    def holds(self, worker: int) -> bool:
        """Whether a worker has done something that is not committed."""
        return bool(self._held.get(worker))

    def lose(self, worker: int) -> list[int]:
        """Let what a worker ran and held wait again; it is gone.

        Of what it ran it may have died: that waits behind everything else, in halves if it happened
        before, and is given up where a single item did it again and again.

        Returns
        -------
        list of int
            Numbers of what waits again.
        """
        undone = [n for n in self._held.pop(worker, ()) if not self._holders(n)]
        self.done -= sum(self._portions[number].size for number in undone)
        again = [number for number in undone if not self._elsewhere(number)]
        self._waiting.extendleft(again)
        number, _ = self._running.pop(worker, (-1, 0.0))
        if number in self._portions and not self._elsewhere(number):
            again += self._suspect(number)
        return again

    def replace(self, number: int, portion: Portion[Item] | None) -> None:
        """Put less in the place of a portion that waits; None if nothing of it is left to do."""
        if portion is None:
            self.done += self._portions.pop(number).size
        else:
            self.done += self._portions[number].size - portion.size
            self._portions[number] = portion

    def portion(self, number: int) -> Portion[Item]:
        """Return a portion that is not settled."""
        return self._portions[number]

    def _suspect(self, number: int) -> list[int]:
        lost = self._portions.pop(number)
        again = Portion(lost.items, lost.size, lost.cost, lost.losses + 1)
        if again.losses < MOST_LOSSES - 1 or (len(lost.items) == 1 and again.losses < MOST_LOSSES):
            parts = [again]
        elif len(lost.items) > 1:
            parts = again.halves()
        else:
            self.given_up += lost.items
            self.done += lost.size
            return []
        numbers = list(range(self._next, self._next + len(parts)))
        self._next += len(parts)
        self._portions.update(zip(numbers, parts, strict=True))
        self._waiting.extend(numbers)
        return numbers

    def _straggler(self, now: float) -> int | None:
        if not self._paces:
            return None
        pace, slowest, longest = median(self._paces), None, 0.0
        counts: dict[int, int] = {}
        for number, _ in self._running.values():
            counts[number] = counts.get(number, 0) + 1
        for number, started in self._running.values():
            if number not in self._portions or counts[number] > 1 or self._holders(number):
                continue
            took, usual = now - started, pace * self._portions[number].cost
            if took > max(SLOW * usual, PATIENCE_SECONDS) and took > longest:
                slowest, longest = number, took
        return slowest

    def _holders(self, number: int) -> int:
        return sum(number in held for held in self._held.values())

    def _elsewhere(self, number: int) -> bool:
        running = any(other == number for other, _ in self._running.values())
        return running or self._holders(number) > 0
