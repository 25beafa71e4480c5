"""Kill the writing process, fill the disk under it, make fsync and rename fail; look after each.

A child does the work of `workload.run`. After each fault the store must open and verify, hold
everything it held before, and every value must be right. After some faults on one store the work is
run to its end, and the content must be whole, with nothing twice.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sesstore.errors import SesstoreError

from . import workload

CALLS = {"write": errno.ENOSPC, "fsync": errno.EIO, "rename": errno.EIO, "mkdir": errno.ENOSPC}
PER_STORE = 6
UNCLEAR = 66
"""Exit status of a child that raised something which is no error on purpose."""


@dataclass
class Outcome:
    """What happened to the stores."""

    faults: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    stores: int = 0
    stores_lost: int = 0
    proteins_lost: int = 0
    proteins_duplicated: int = 0
    unclear: int = 0
    problems: list[str] = field(default_factory=list)


def torture(folder: Path, count: int, rng: random.Random) -> Outcome:
    """Inject `count` faults: kills and failing system calls in turn."""
    outcome = Outcome()
    seconds = _uninterrupted(folder / "first")
    while outcome.faults < count:
        path = folder / f"store{outcome.stores}"
        outcome.stores += 1
        before = workload.State()
        for _ in range(min(PER_STORE, count - outcome.faults)):
            kind = _one_fault(path, seconds, rng)
            outcome.by_kind[kind] = outcome.by_kind.get(kind, 0) + 1
            outcome.faults += kind != "none"
            outcome.unclear += kind == "unclear"
            after = workload.state_of(path)
            _compare(before, after, outcome, f"{path.name} after {kind}")
            before = after
            if after.complete:
                break
        _finish(path, before, outcome)
        shutil.rmtree(path, ignore_errors=True)
    return outcome


def _uninterrupted(path: Path) -> float:
    started = time.perf_counter()
    status = _in_child(lambda: workload.run(path))[1]
    if status or not workload.state_of(path).complete:
        raise RuntimeError("the work does not even succeed undisturbed")
    shutil.rmtree(path)
    return time.perf_counter() - started


def _compare(before: workload.State, after: workload.State, outcome: Outcome, what: str) -> None:
    outcome.stores_lost += not after.opened or bool(after.problems)
    outcome.proteins_lost += after.lost(before)
    outcome.problems += [f"{what}: {problem}" for problem in after.problems]


def _finish(path: Path, before: workload.State, outcome: Outcome) -> None:
    _, status = _in_child(lambda: workload.run(path))
    after = workload.state_of(path)
    _compare(before, after, outcome, f"{path.name}, re-run")
    if status:
        outcome.problems.append(f"{path.name}: the re-run ended with {status}")
        outcome.stores_lost += 1
    everything = {p.digest for p in workload.PROTEINS}
    missing = workload.State(embeddings=everything, tokens=everything, proteins=everything)
    outcome.proteins_lost += after.lost(missing)
    outcome.proteins_duplicated += after.rows - len(after.embeddings)


def _one_fault(path: Path, seconds: float, rng: random.Random) -> str:
    """Run the work with one fault in it; what kind it was, "none" if it came too late."""
    if rng.random() < 0.6:
        delay = rng.uniform(0, seconds)
        killed, _ = _in_child(lambda: workload.run(path), kill_after=delay)
        return "SIGKILL" if killed else "none"
    kind = rng.choice([*CALLS, "file size"])
    if kind == "file size":
        limit = rng.randrange(20_000, 200_000)
        _, status = _in_child(lambda: _with_limit(path, limit))
    else:
        when = rng.randrange(1, 120)
        _, status = _in_child(lambda: _with_failing(path, kind, when))
    if status == UNCLEAR:
        return "unclear"
    return kind if status else "none"


def _with_failing(path: Path, call: str, when: int) -> None:
    """From the n-th call on, a system call fails, as on a disk that stays full or broken."""
    real: Callable[..., Any] = getattr(os, call)
    count = 0

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count >= when:
            raise OSError(CALLS[call], os.strerror(CALLS[call]))
        return real(*args, **kwargs)

    setattr(os, call, failing)
    workload.run(path)


def _with_limit(path: Path, limit: int) -> None:
    """No file may grow beyond a limit: reaches LMDB too, which writes by itself."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    workload.run(path)


def _in_child(work: Callable[[], None], kill_after: float | None = None) -> tuple[bool, int]:
    """Do some work in a forked process; whether it had to be killed, and its exit status."""
    child = os.fork()
    if child == 0:
        _work_and_exit(work)
    if kill_after is None:
        return False, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    time.sleep(kill_after)
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status == -signal.SIGKILL, status


def _work_and_exit(work: Callable[[], None]) -> None:
    status = UNCLEAR
    try:
        work()
        status = 0
    except (SesstoreError, OSError):
        status = 1
    finally:
        os._exit(status)
