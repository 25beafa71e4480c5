"""Faults inside the process that writes: it is ended, or the system refuses what it asks for."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import workload
from .children import Child

CALLS = {
    "disk full": ("write", errno.ENOSPC),
    "quota used up": ("write", errno.EDQUOT),
    "writing fails": ("write", errno.EIO),
    "fsync fails": ("fsync", errno.EIO),
    "renaming fails": ("rename", errno.EIO),
    "renaming not allowed": ("rename", errno.EACCES),
    "no more folders": ("mkdir", errno.ENOSPC),
    "file system read-only": ("mkdir", errno.EROFS),
    "opening not allowed": ("open", errno.EACCES),
    "opening fails": ("open", errno.EIO),
}
LIMITS = {
    "file size limited": resource.RLIMIT_FSIZE,
    "memory limited": resource.RLIMIT_AS,
    "open files limited": resource.RLIMIT_NOFILE,
}
KINDS = ["SIGKILL", "SIGTERM", *CALLS, *LIMITS, "another person may only read"]


def interrupt(kind: str, path: Path, seconds: float, rng: random.Random) -> tuple[int, Child]:
    """Run the work with one fault in it; its exit status (0: the fault came too late)."""
    log = path.with_suffix(".log")
    if kind in ("SIGKILL", "SIGTERM"):
        child = Child.start(lambda: workload.run(path), log)
        return child.end(rng.uniform(0, seconds), getattr(signal, kind)), child
    if kind in CALLS:
        call, code = CALLS[kind]
        when = rng.randrange(1, 120)
        child = Child.start(lambda: _with_failing(path, call, code, when), log)
    elif kind in LIMITS:
        room = {
            resource.RLIMIT_FSIZE: rng.randrange(20_000, 200_000),
            resource.RLIMIT_AS: _memory() + rng.randrange(3 << 30),
            resource.RLIMIT_NOFILE: open_files() + rng.randrange(30),
        }[LIMITS[kind]]
        child = Child.start(lambda: _with_limit(path, LIMITS[kind], room), log)
    else:
        if os.geteuid() != 0:
            return 0, Child(0, log)
        child = Child.start(lambda: workload.run(path), log, uid=54_003)
    return child.wait(), child


def open_files() -> int:
    """How many files this process has open, which a child begins with."""
    return len(os.listdir("/proc/self/fd"))


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _with_failing(path: Path, call: str, code: int, when: int) -> None:
    """From the n-th call on, a system call fails, as on a disk that stays full or broken."""
    real: Callable[..., Any] = getattr(os, call)
    count = 0

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count >= when:
            raise OSError(code, os.strerror(code), args[0] if call == "open" else None)
        return real(*args, **kwargs)

    setattr(os, call, failing)
    workload.run(path)


def _with_limit(path: Path, limit: int, room: int) -> None:
    """The system itself refuses: reaches LMDB too, which writes and maps by itself."""
    resource.setrlimit(limit, (room, room))
    workload.run(path)
