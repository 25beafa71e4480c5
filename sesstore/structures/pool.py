"""Work of many processes in order, with bounded memory, that outlives a process that dies.

Processes do the work of modules only and never import the program that started them, so that a
script without ``if __name__ == "__main__"`` works: importing it would start its work anew in each.

A fixed number of items is under way. When a process dies (out of memory, a crash in a compiled
part), the items that were under way are done again one by one, so that only the one to blame is
lost.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from types import ModuleType
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_starting = threading.Lock()

_AHEAD = 8
"""Items under way a process."""


def map_ordered(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    on_death: Callable[[Item], Result],
) -> Iterator[Result]:
    """Do `work` on items over processes; results come in the order of the items.

    Parameters
    ----------
    work : callable
        A function of a module.
    items : iterable
        Read as far ahead as there is room.
    workers : int
        Processes.
    on_death : callable
        Gives the result of an item whose process died.
    """
    queue = iter(items)
    under_way: deque[Item] = deque()
    while True:
        yield from _until_death(work, queue, workers, under_way)
        if not under_way:
            return
        while under_way:
            yield _alone(work, under_way.popleft(), on_death)


def _until_death(
    work: Callable[[Item], Result], queue: Iterator[Item], workers: int, under_way: deque[Item]
) -> Iterator[Result]:
    """Results until the items end or a process dies; then `under_way` has what was not done."""
    futures: deque[Future[Result]] = deque()
    pool = _pool(workers)
    try:
        while True:
            for item in islice(queue, _AHEAD * workers - len(under_way)):
                under_way.append(item)
                futures.append(_submit(pool, work, item))
            if not futures:
                return
            result = futures.popleft().result()
            under_way.popleft()
            yield result
    except BrokenProcessPool:
        return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _alone(
    work: Callable[[Item], Result], item: Item, on_death: Callable[[Item], Result]
) -> Result:
    with _pool(1) as pool:
        try:
            return _submit(pool, work, item).result()
        except BrokenProcessPool:
            return on_death(item)


def _pool(workers: int) -> ProcessPoolExecutor:
    # Not forked from this process, which may have threads, but from one that has imported it all.
    context = get_context("forkserver")
    context.set_forkserver_preload(["sesstore.structures.chain_tokens"])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts)


def _submit(
    pool: ProcessPoolExecutor, work: Callable[[Item], Result], item: Item
) -> Future[Result]:
    """Submit an item; a process that starts for it is told of no main program to import."""
    with _starting:
        program = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return pool.submit(work, item)
        finally:
            sys.modules["__main__"] = program


def _leave_interrupts() -> None:
    """Ctrl-C reaches all processes of a terminal; the parent decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
