"""Files and folders of what is not committed yet: who writes one holds its lock.

The lock is a ``flock`` on the file or folder. `gc` looks for it, and holds it itself until what it
removes is gone, so nobody can begin to write in between: who makes something looks whether it is
still there once it has the lock, and makes it again if not.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def new_folder(path: Path) -> int:
    """Make a folder; return the handle that holds its lock, to be closed to let go.

    Raises
    ------
    FileExistsError
        There is one.
    """
    while True:
        path.mkdir()
        handle = hold(path, wait=True)
        if handle is not None:
            return handle


def new_file(path: Path) -> int:
    """Make a file to be written by the handle that is returned and holds its lock.

    Raises
    ------
    FileExistsError
        There is one.
    """
    while True:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        handle = os.open(path, flags, 0o666)
        if _lock(handle, path, fcntl.LOCK_EX):
            return handle


def hold(path: Path, *, wait: bool = False) -> int | None:
    """Return a handle that holds the lock of a file or folder; None if it is gone.

    Parameters
    ----------
    path : path
        A symbolic link raises `OSError`.
    wait : bool
        Wait for another holder; otherwise None is returned if there is one.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    locked = _lock(handle, path, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle if locked else None


def _lock(handle: int, path: Path, operation: int) -> bool:
    """Lock what was opened, if it still lies there; otherwise close it."""
    locked = False
    try:
        fcntl.flock(handle, operation)
        # `gc` may have removed the file since it was opened: then this locks what has no name.
        locked = os.path.samestat(os.fstat(handle), path.lstat())
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        if not locked:
            os.close(handle)
    return locked
