"""Seconds of work on any device: median of repeated calls, or one call to its end."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch


def clock(
    work: Callable[[], object], device: torch.device, *, calls: int = 3, seconds: float = 0.4
) -> float:
    """Return the median seconds of a call, after one that is not counted.

    On a GPU by the GPU's own clock. At least `least` calls, and as many as fit in `seconds`.
    """
    work()
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < calls or (time.perf_counter() - start < seconds and len(times) < 40):
        times.append(_call(work, device))
    return float(np.median(times))


def _call(work: Callable[[], object], device: torch.device) -> float:
    if device.type != "cuda":
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    work()
    last.record()
    last.synchronize()
    return float(first.elapsed_time(last)) / 1e3


def wall(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, to the end of what it started on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
