"""Run batches side by side, one thread each, and give the results in order.

On a CPU two batches on two threads are faster than one batch on both: no thread waits for another
at the end of every operation. Where there are fewer batches than threads, each gets several.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Job = TypeVar("Job")
Result = TypeVar("Result")


def mapped(
    work: Callable[[Job], Result], jobs: Iterable[Job], count: int
) -> Iterator[tuple[Job, Result]]:
    """Yield each job with its result, in order; at most one job a thread waits ready.

    Parameters
    ----------
    work : callable
        Releases the GIL for most of its time, as torch operations do.
    jobs : iterable
        Read no further ahead than needed.
    count : int
        How many there are at least; decides how many threads work side by side.
    """
    threads = torch.get_num_threads()
    workers = max(min(threads, count), 1)
    if workers == 1:
        for job in jobs:
            yield job, work(job)
        return
    pool = ThreadPoolExecutor(
        workers, "sesstore-encoder", torch.set_num_threads, (threads // workers,)
    )
    waiting: deque[tuple[Job, Future[Result]]] = deque()
    try:
        for job in jobs:
            waiting.append((job, pool.submit(work, job)))
            if len(waiting) > workers:
                ready = waiting.popleft()
                yield ready[0], ready[1].result()
        while waiting:
            ready = waiting.popleft()
            yield ready[0], ready[1].result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # parts of torch keep one number for the whole process
