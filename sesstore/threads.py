"""Work shared out over threads that live as long as the process.

For compiled code that releases the interpreter's lock: a call costs what waking a thread does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def share_out(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Call ``work(first, last)`` for as many stretches of ``range(count)`` as there are threads.

    Parameters
    ----------
    work : callable
        Called in any order and any thread; in the caller's where there is but one stretch.
    count : int
        Items, at least one.
    threads : int
        At most; never more than items.
    """
    threads = min(threads, count)
    if threads == 1:
        work(0, count)
        return
    ends = [count * i // threads for i in range(threads + 1)]
    list(_pool(threads).map(work, ends, ends[1:]))


@cache  # a forked process has none of its threads, and makes a pool of its own
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "sesstore-kernel")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
