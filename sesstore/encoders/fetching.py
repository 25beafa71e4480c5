"""From the device into the machine's memory, while the device goes on with the next batch.

On a GPU a batch is launched before the values of the one before are waited for, and these come over
on a stream of their own, in the type of the forward pass, into pinned memory. On a CPU there is
nothing to fetch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Job = TypeVar("Job")
Result = TypeVar("Result")


def fetched(values: Tensor) -> Callable[[], NDArray[np.float32]]:
    """Begin to fetch values; what is returned waits for them.

    Parameters
    ----------
    values : Tensor, shape=(T, d)
        On any device, in any type.
    """
    if not values.is_cuda:
        return lambda: np.asarray(values.float().cpu().numpy())
    own = _stream(values.device)
    host = _host_memory(values.shape, values.dtype)
    own.wait_stream(torch.cuda.current_stream(values.device))
    with torch.cuda.stream(own):
        host.copy_(values, non_blocking=True)
        values.record_stream(own)
        done = own.record_event()

    def wait() -> NDArray[np.float32]:
        done.synchronize()
        # A copy, so that pinned memory is free for the next batch.
        return host.to(torch.float32, copy=True).numpy()

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
