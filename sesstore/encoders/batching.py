"""How an encoder's batches run: side by side on a CPU, one ahead of the other on a GPU.

On a CPU two batches on two threads are faster than one batch on both: no thread waits for another
at the end of every operation. Where there are fewer batches than threads, each gets several. A
batch that failed for want of memory is tried again while no other runs (`MemoryGate`).

On a GPU a batch is launched before the values of the one before are waited for, and these come over
on a stream of their own, in the type they are stored in, into pinned memory; whether all are finite
comes with them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from .windows import Values

Job = TypeVar("Job")
Result = TypeVar("Result")


class MemoryGate:
    """Lets threads in together, or a single one while no other is at work."""

    def __init__(self) -> None:
        self._changes = threading.Condition()
        self._occupants = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Enter beside others; waits while a thread is in alone, unless that is this thread."""
        # The condition's lock can be taken again by its owner, so what runs alone may enter here.
        with self._changes:
            self._occupants += 1
        try:
            yield
        finally:
            with self._changes:
                self._occupants -= 1
                self._changes.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Enter once everybody has left; nobody enters meanwhile, as the lock is held."""
        with self._changes:
            self._changes.wait_for(lambda: not self._occupants)
            yield


def run_side_by_side(
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
    queue: deque[tuple[Job, Future[Result]]] = deque()
    try:
        for job in jobs:
            queue.append((job, pool.submit(work, job)))
            if len(queue) > workers:
                oldest, future = queue.popleft()
                yield oldest, future.result()
        while queue:
            oldest, future = queue.popleft()
            yield oldest, future.result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # parts of torch keep one number for the whole process


def run_one_ahead(
    launch: Callable[[Job], Callable[[], Result]], jobs: Iterable[Job]
) -> Iterator[tuple[Job, Result]]:
    """Yield each job with its result, in order; the next is launched before one is waited for."""
    previous: tuple[Job, Callable[[], Result]] | None = None
    for job in jobs:
        current = job, launch(job)
        if previous is not None:
            yield previous[0], previous[1]()
        previous = current
    if previous is not None:
        yield previous[0], previous[1]()


def fetch_to_host(values: Tensor) -> Callable[[], tuple[Values, bool]]:
    """Begin to fetch values; what is returned waits for them.

    Parameters
    ----------
    values : Tensor, shape=(T, d), dtype=float32 | float16
        On any device.

    Returns
    -------
    callable
        Gives the values, and whether all are finite if they are float16; True for float32.
    """
    # A sum of float16 values in float32 cannot overflow, so it is finite if all of them are: one
    # pass, and nothing the size of the values is made. Whoever casts float32 values checks those.
    half = values.dtype == torch.float16
    total = values.sum(dtype=torch.float32) if half else values.new_zeros(())
    if not values.is_cuda:
        return lambda: (np.asarray(values.cpu().numpy()), bool(total.isfinite()))
    stream = _copy_stream(values.device)
    host_values, host_total = (_host_memory(x.shape, x.dtype) for x in (values, total))
    stream.wait_stream(torch.cuda.current_stream(values.device))
    with torch.cuda.stream(stream):
        for host, source in ((host_values, values), (host_total, total)):
            host.copy_(source, non_blocking=True)
            source.record_stream(stream)  # its memory is not reused before the copy has read it
        copied = stream.record_event()

    def wait() -> tuple[Values, bool]:
        copied.synchronize()
        # A copy, so that pinned memory is free for the next batch: torch keeps it.
        return host_values.clone().numpy(), bool(host_total.isfinite())

    return wait


def _host_memory(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """Pinned memory, which torch keeps for the next batch; pageable where none can be pinned.

    A copy to pageable memory is right, too: the host waits for it.
    """
    try:
        return torch.empty(shape, dtype=dtype, pin_memory=True)
    except RuntimeError:  # the system limits locked memory, or lacks it
        return torch.empty(shape, dtype=dtype)


@cache
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
