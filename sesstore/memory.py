"""How much memory this process may still take, how many cores it may use; bytes for people.

Memory: the least of what the machine has free, what its control group leaves (a Slurm job's or a
container's share, which the kernel enforces by killing) and what its own limit leaves (``ulimit
-v``). Page cache counts as free: the kernel drops it when memory is asked for.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_V2 = ("memory.max", "memory.current", ("active_file", "inactive_file"))
_V1 = (
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    ("total_active_file", "total_inactive_file"),
)
"""Files of a control group's limit and use, and the parts of its statistics that are page cache."""


def available_memory() -> int:
    """Bytes this process may still take, as measured now."""
    free = [int(psutil.virtual_memory().available), *group_free()]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        free.append(limit - int(psutil.Process().memory_info().vms))
    return max(min(free), 0)


def available_cores() -> int:
    """Cores this process may run on: those it is bound to where the system says (not on macOS)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def group_free(
    mounts: Path = Path("/sys/fs/cgroup"), groups: Path = Path("/proc/self/cgroup")
) -> list[int]:
    """Bytes that each control group this process is in leaves it; empty without limits.

    Parameters
    ----------
    mounts : path
        Where the kernel shows control groups, of version 2 or 1 (`cgroups(7)`).
    groups : path
        Which groups this process is in, a line a hierarchy.
    """
    try:
        lines = groups.read_text("utf-8").splitlines()
    except OSError:  # no Linux
        return []
    free: list[int] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            free += _unused_in(mounts, path, _V2)
        elif "memory" in controllers.split(","):
            free += _unused_in(mounts / "memory", path, _V1)
    return free


def _unused_in(mount: Path, path: str, names: tuple[str, str, tuple[str, ...]]) -> Iterator[int]:
    """What a group and those around it leave; their limits hold, too."""
    limit_file, use_file, cached = names
    group = Path(path.strip("/"))
    for place in (group, *group.parents):
        with suppress(OSError, ValueError):  # "max": no limit here
            limit = int((mount / place / limit_file).read_text("utf-8"))
            usage = int((mount / place / use_file).read_text("utf-8"))
            stat = (mount / place / "memory.stat").read_text("utf-8")
            parts = dict(line.split(" ", 1) for line in stat.splitlines())
            yield limit - usage + sum(int(parts.get(name, 0)) for name in cached)
