"""Parts of a batch on all cores at once, one thread a part.

A training step spends its time in many middle-sized operations. Cutting each over all cores makes
them wait for one another at every operation; giving each core a part of the batch does not, and
the part's arrays stay in its cache. What is computed for a part does not depend on how many workers
there are, so results are the same bits on one core and on many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

PART = 2048
"""Residues of a part: what a core works on at once."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Runs a function over items, on as many threads as torch may use.

    Parameters
    ----------
    pool : ThreadPoolExecutor or None
        None runs in the calling thread.
    """

    def __init__(self, pool: ThreadPoolExecutor | None) -> None:
        self._pool = pool

    def map(
        self,
        function: Callable[[Item], Result],
        items: list[Item],
        cost: Callable[[Item], float] | None = None,
    ) -> list[Result]:
        """Return the function's results, in the order of the items.

        Parameters
        ----------
        function : callable
            Called once an item, in any order and any thread.
        items : list
            What to work on.
        cost : callable, optional
            About how long an item takes; the longest begin first, so that no core is left with one
            at the end.
        """
        if self._pool is None or len(items) < 2:
            return [function(item) for item in items]
        order = range(len(items))
        if cost is not None:
            order = sorted(order, key=lambda place: -cost(items[place]))  # type: ignore[assignment]
        futures = {place: self._pool.submit(function, items[place]) for place in order}
        return [futures[place].result() for place in range(len(items))]


@contextmanager
def workers(device: torch.device) -> Iterator[Workers]:
    """Open workers for a device: one a core for a CPU, none beside the caller for a GPU.

    While they are open, torch itself uses one thread; its setting is put back at the end.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu":
        yield Workers(None)
        return
    torch.set_num_threads(1)
    try:
        if threads == 1:
            yield Workers(None)
        else:
            with ThreadPoolExecutor(threads, "sesstore-worker") as pool:
                yield Workers(pool)
    finally:
        torch.set_num_threads(threads)
