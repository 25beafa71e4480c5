"""The queue: which work items wait, which worker has which, and what is settled.

Plain bookkeeping without any cluster, so that it can be tested and timed alone. A work item is
*running* at a worker, then *uncommitted* (done, and lost if the worker dies), then *settled*
(committed). What a dying worker ran or had not committed is pending again. A work item may run
twice (stragglers): whichever commit comes first settles it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import Generic, TypeVar

from .work_items import WorkItem

Item = TypeVar("Item")

SLOW = 2.0
"""A work item that takes so many times as long as others of its cost is handed out again."""

PATIENCE_SECONDS = 2.0
"""But not before it has run so long."""

MOST_LOSSES = 3
"""An item that so many workers died of, alone, is given up."""

_REMEMBERED = 101


class WorkQueue(Generic[Item]):
    """Work items by what became of them.

    Parameters
    ----------
    work_items : iterable of WorkItem
        In the order they are to be handed out.
    """

    def __init__(self, work_items: Iterable[WorkItem[Item]]) -> None:
        self._work_items: dict[int, WorkItem[Item]] = dict(enumerate(work_items))
        self._pending = deque(self._work_items)
        self._next = len(self._work_items)
        self._running: dict[int, tuple[int, float]] = {}
        self._uncommitted: dict[int, set[int]] = {}
        self._paces: deque[float] = deque(maxlen=_REMEMBERED)
        self.progress = 0
        """Size of what is done, committed or not."""
        self.abandoned: list[Item] = []
        """Items that no worker survived."""

    @property
    def all_settled(self) -> bool:
        """Whether everything is settled or given up."""
        return not self._work_items

    def take(self, worker: int, clock: float) -> tuple[int, WorkItem[Item]] | None:
        """Give a worker a work item: the next one, else one that runs too slowly elsewhere.

        Parameters
        ----------
        worker : int
            One that runs nothing.
        clock : float
            Seconds by any clock.

        Returns
        -------
        (int, WorkItem) or None
            Its number and itself.
        """
        # A number may still be queued after a straggler's second run settled it: such are skipped.
        while self._pending:
            number = self._pending.popleft()
            if number in self._work_items:
                break
        else:
            slowest = self._straggler(clock)
            if slowest is None:
                return None
            number = slowest
        self._running[worker] = number, clock
        return number, self._work_items[number]

    def mark_done(self, worker: int, clock: float) -> None:
        """Note that a worker has done what it was running, and not committed it yet."""
        number, start = self._running.pop(worker)
        work_item = self._work_items.get(number)
        if work_item is None:  # another worker's run of it is committed already
            return
        self._paces.append((clock - start) / work_item.cost)
        if not self._holders(number):  # the second run of a straggler counts no second time
            self.progress += work_item.size
        self._uncommitted.setdefault(worker, set()).add(number)

    def settle(self, numbers: Iterable[int]) -> None:
        """Note that work items are committed."""
        for number in numbers:
            if self._work_items.pop(number, None) is not None:
                for numbers_at_worker in self._uncommitted.values():
                    numbers_at_worker.discard(number)

    def has_uncommitted(self, worker: int) -> bool:
        """Whether a worker has done something that is not committed."""
        return bool(self._uncommitted.get(worker))

    def lose(self, worker: int) -> list[int]:
        """Let what a worker ran and held wait again; it is gone.

        Of what it ran it may have died: that waits behind everything else, in halves if it happened
        before, and is given up where a single item did it again and again.

        Returns
        -------
        list of int
            Numbers of what waits again.
        """
        # What another worker has done too is safe there, and stays counted.
        undone = [n for n in self._uncommitted.pop(worker, ()) if not self._holders(n)]
        self.progress -= sum(self._work_items[number].size for number in undone)
        requeued = [number for number in undone if not self._elsewhere(number)]
        # First in the queue: they were done well, so none of them killed the worker.
        self._pending.extendleft(requeued)
        number, _ = self._running.pop(worker, (-1, 0.0))
        if number in self._work_items and not self._elsewhere(number):
            requeued += self._suspect(number)
        return requeued

    def replace(self, number: int, work_item: WorkItem[Item] | None) -> None:
        """Put less in the place of a work item that waits; None if nothing of it is left to do."""
        if work_item is None:
            self.progress += self._work_items.pop(number).size
        else:
            self.progress += self._work_items[number].size - work_item.size
            self._work_items[number] = work_item

    def work_item(self, number: int) -> WorkItem[Item]:
        """Return a work item that is not settled."""
        return self._work_items[number]

    def _suspect(self, number: int) -> list[int]:
        lost = self._work_items.pop(number)
        retry = WorkItem(lost.items, lost.size, lost.cost, lost.losses + 1)
        if retry.losses < MOST_LOSSES - 1 or (len(lost.items) == 1 and retry.losses < MOST_LOSSES):
            parts = [retry]
        elif len(lost.items) > 1:
            parts = retry.halves()
        else:
            self.abandoned += lost.items
            self.progress += lost.size
            return []
        # Halves need numbers of their own; the old number names nothing any more.
        numbers = list(range(self._next, self._next + len(parts)))
        self._next += len(parts)
        self._work_items.update(zip(numbers, parts, strict=True))
        self._pending.extend(numbers)
        return numbers

    def _straggler(self, clock: float) -> int | None:
        if not self._paces:
            return None
        pace, slowest, longest = median(self._paces), None, 0.0
        counts: dict[int, int] = {}
        for number, _ in self._running.values():
            counts[number] = counts.get(number, 0) + 1
        for number, start in self._running.values():
            # Settled, run by two already, or done elsewhere: a third run would gain nothing.
            if number not in self._work_items or counts[number] > 1 or self._holders(number):
                continue
            took, usual = clock - start, pace * self._work_items[number].cost
            if took > max(SLOW * usual, PATIENCE_SECONDS) and took > longest:
                slowest, longest = number, took
        return slowest

    def _holders(self, number: int) -> int:
        return sum(number in numbers_at_worker for numbers_at_worker in self._uncommitted.values())

    def _elsewhere(self, number: int) -> bool:
        running = any(running_number == number for running_number, _ in self._running.values())
        return running or self._holders(number) > 0
