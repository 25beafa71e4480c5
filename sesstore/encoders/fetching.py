"""From the device into the machine's memory, while the device goes on with the next batch.

On a GPU a batch is launched before the values of the one before are waited for, and these come over
on a stream of their own, in the type they are stored in, into pinned memory; whether all are finite
comes with them. On a CPU there is nothing to fetch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from .windows import Values

Job = TypeVar("Job")
Result = TypeVar("Result")


def fetched(values: Tensor) -> Callable[[], tuple[Values, bool]]:
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
    own = _stream(values.device)
    host, sum_there = (_host_memory(x.shape, x.dtype) for x in (values, total))
    own.wait_stream(torch.cuda.current_stream(values.device))
    with torch.cuda.stream(own):
        for here, there in ((host, values), (sum_there, total)):
            here.copy_(there, non_blocking=True)
            there.record_stream(own)
        done = own.record_event()

    def wait() -> tuple[Values, bool]:
        done.synchronize()
        # A copy, so that pinned memory is free for the next batch: torch keeps it.
        return host.clone().numpy(), bool(sum_there.isfinite())

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
def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def one_ahead(
    begin: Callable[[Job], Callable[[], Result]], jobs: Iterable[Job]
) -> Iterator[tuple[Job, Result]]:
    """Yield each job with its result, in order; the next is begun before one is waited for."""
    before: tuple[Job, Callable[[], Result]] | None = None
    for job in jobs:
        begun = job, begin(job)
        if before is not None:
            yield before[0], before[1]()
        before = begun
    if before is not None:
        yield before[0], before[1]()
