"""What the system refuses, told apart from damage.

No memory, no permission, too many open files, a disk that answers with an error, a stale NFS
handle, no space: none of these says anything about the stored bytes. They become `StoreAccessError`
here; what judges a store (`verify`, `repair`, `compact`) must never take one for a fault of the
data. Only what says something about what lies there (no such file, not a folder) is left as it is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from ..errors import DISK_FULL, StorageFullError, StoreAccessError

_ABOUT_CONTENT = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENOTEMPTY,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EINVAL,
}
"""Errors of the system that say what lies at a path, or that nothing does."""

_LMDB_REFUSALS = (
    lmdb.MemoryError,
    lmdb.DiskError,
    lmdb.ReadonlyError,
    lmdb.LockError,
    lmdb.ReadersFullError,
    lmdb.TlsFullError,
    lmdb.TxnFullError,
)
_REASONS = {os.strerror(code): code for code in errno.errorcode if code not in _ABOUT_CONTENT}

_ADVICE = {
    errno.ENOMEM: "Give the process more memory (`ulimit -v`, the limit of the job)",
    errno.EMFILE: "Let the process open more files (`ulimit -n 65536`)",
    errno.ENFILE: "Wait until other processes have closed files",
    errno.EACCES: "Ask its owner for permission to it and to the folders above it",
    errno.EPERM: "Ask its owner for permission to it and to the folders above it",
    errno.EROFS: "Work on a copy, or mount the file system for writing",
}
_OTHER_ADVICE = "Look after the disk or the mount"


def is_refusal(problem: BaseException | None) -> bool:
    """Whether an error says what the system refused, and nothing about the stored bytes."""
    if isinstance(problem, StoreAccessError | MemoryError):
        return True
    if isinstance(problem, lmdb.Error):
        return isinstance(problem, _LMDB_REFUSALS) or _code(problem) is not None
    if not isinstance(problem, OSError) or problem.errno is None:
        return False
    return problem.errno not in _ABOUT_CONTENT


def refusal(path: Path | str, problem: BaseException) -> StoreAccessError:
    """Return the error to raise for what the system refused at a path."""
    if isinstance(problem, StoreAccessError):
        return problem
    code = _code(problem)
    if code in DISK_FULL:
        return full(path)
    reason = os.strerror(code) if code else str(problem) or "no memory"
    advice = _ADVICE.get(code or 0, _OTHER_ADVICE)
    return StoreAccessError(
        f"{path} could not be read or written: {reason}. That says nothing about what is stored. "
        f"{advice}, then run the same command again"
    )


@contextmanager
def system_errors(path: Path | str) -> Iterator[None]:
    """Turn what the system refuses inside the block into `StoreAccessError`.

    Raises
    ------
    StorageFullError
        No space left.
    StoreAccessError
        No permission, no memory, an error of the disk, ...
    """
    try:
        yield
    except (OSError, MemoryError, lmdb.Error) as problem:
        if isinstance(problem, StoreAccessError) or not is_refusal(problem):
            raise
        raise refusal(path, problem) from problem


def is_there(path: Path) -> bool:
    """Whether anything lies at a path, be it a broken link.

    Raises
    ------
    StoreAccessError
        The system does not say.
    """
    with system_errors(path):
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def full(path: Path | str) -> StorageFullError:
    """Return the error to raise when nothing more fits at a path."""
    return StorageFullError(
        f"no space left for {path}. All that was committed before is safe: free some space and "
        f"run the same command again to go on"
    )


def _code(problem: BaseException) -> int | None:
    """Number of the system's error; LMDB only names it, at the end of its message."""
    if isinstance(problem, MemoryError | lmdb.MemoryError):
        return errno.ENOMEM
    if isinstance(problem, OSError):
        return problem.errno
    return _REASONS.get(str(problem).rpartition(": ")[2])
