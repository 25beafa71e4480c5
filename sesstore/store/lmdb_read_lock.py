"""Let writers wait for readers that LMDB does not know of.

Who may not write a database's folder cannot enter LMDB's table of readers, and a writer would put
new pages over those that such a reader stands on. So it holds a shared ``flock`` on the file, for
which a handle for reading is enough, and a writer waits, before it changes anything, until all who
began earlier are through. LMDB leaves the pages of the snapshot before the latest alone, so readers
that begin meanwhile are safe, and nobody waits for a writer at its work.

The folder is the gate: a waiting writer closes it, so that readers which follow each other without
a gap cannot keep it out. Somebody who was stopped holds others up for `PATIENCE_SECONDS` at most;
the readers look at the end whether they were overtaken (`Database.read`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .atomic_files import saying_when_full

PATIENCE_SECONDS = 30.0
_LONGEST_NAP = 0.02


@contextmanager
def reader_lock(path: Path) -> Iterator[None]:
    """Keep writers of a file from starting while the block runs."""
    with _open_handle(path) as file:
        # New readers pass the gate, which a waiting writer keeps closed: they queue behind it. They
        # let it go at once, or no writer could close it while anybody reads.
        with _open_handle(path.parent) as gate:
            _lock(gate, fcntl.LOCK_SH)
            _lock(file, fcntl.LOCK_SH)
            _unlock(gate)
        try:
            yield
        finally:
            _unlock(file)


def wait_for_readers(path: Path) -> None:
    """Wait until everybody who holds a `reader_lock` now has let it go."""
    with _open_handle(path) as file:
        if _try(file, fcntl.LOCK_EX):  # nobody reads, as almost always
            _unlock(file)
            return
        with _open_handle(path.parent) as gate:
            _lock(gate, fcntl.LOCK_EX)
            _lock(file, fcntl.LOCK_EX)
            _unlock(file)
            _unlock(gate)


@contextmanager
def private_copy(path: Path) -> Iterator[Path]:
    """Copy a file as it stands between two transactions, for a walk that may take long.

    Raises
    ------
    StorageFullError
        No space where temporary files go.
    """
    folder = Path(tempfile.mkdtemp(prefix="sesstore-"))
    try:
        with saying_when_full(folder), reader_lock(path):
            shutil.copyfile(path, folder / path.name)
        yield folder / path.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _open_handle(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _lock(handle: int, kind: int) -> None:
    end, nap = time.monotonic() + PATIENCE_SECONDS, 0.0005
    while not _try(handle, kind) and time.monotonic() < end:
        time.sleep(nap)
        nap = min(2 * nap, _LONGEST_NAP)


def _try(handle: int, kind: int) -> bool:
    """Whether a lock was had, or there are none on this file system."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _unlock(handle: int) -> None:
    """Let go at once: a child forked meanwhile has a copy of the handle, which close leaves."""
    try:
        fcntl.flock(handle, fcntl.LOCK_UN)
    except OSError:
        return
