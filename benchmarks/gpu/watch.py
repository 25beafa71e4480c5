"""Where the host waits for the GPU, and what runs there meanwhile."""

from __future__ import annotations

import os
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..clock import wall
from .visit import Visit


@contextmanager
def synchronisations(visit: Visit) -> Iterator[Counter[str]]:
    """Count, by the line of ours that asks for it, where the host waits for the GPU."""
    waits: Counter[str] = Counter()
    show_warning, root = warnings.showwarning, os.getcwd()

    def note(message: Any, *_: Any, **__: Any) -> None:
        if "called a synchronizing" in str(message):
            stack = traceback.extract_stack()
            frames = [f for f in stack if f.filename.startswith(root + "/sesstore")]
            last = frames[-1] if frames else None
            name = f"{last.filename[len(root) + 1 :]}:{last.lineno}" if last else "elsewhere"
            waits[name] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        if visit.gpu:
            torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            if visit.gpu:
                torch.cuda.set_sync_debug_mode("default")
            warnings.showwarning = show_warning


def profile_kernels(visit: Visit, work: Callable[[], object], top: int = 14) -> dict[str, Any]:
    """Return what runs on the device during a call: shares, launches, and how busy it was."""
    from torch.profiler import ProfilerActivity, profile

    work()
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if visit.gpu else [])]
    with profile(activities=kinds) as trace:
        seconds = wall(work, visit.device)
    events = [
        (e.key, e.self_device_time_total if visit.gpu else e.self_cpu_time_total, e.count)
        for e in trace.key_averages()
        if not visit.gpu or str(e.device_type).endswith("CUDA")
    ]
    total = sum(spent for _, spent, _ in events) or 1
    return {
        "wall_ms": seconds * 1e3,
        "busy_share": total / 1e6 / seconds,
        "launches": sum(count for *_, count in events),
        "top": [
            f"{spent / total:6.1%} {spent / 1e3:9.2f} ms {count:6} x {key[:90]}"
            for key, spent, count in sorted(events, key=lambda e: -e[1])[:top]
        ],
    }
