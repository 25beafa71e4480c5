"""Temporary folders: gone afterwards, and an error of their own where none can be made.

They are gone after SIGTERM, too, as long as nobody else handles that signal: whoever is ended
otherwise (a cluster that preempts, a service that stops) would leave gigabytes each time.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ..errors import StoreAccessError

_folders: set[Path] = set()


def make_scratch(purpose: str) -> Path:
    """Make a temporary folder; end it by `remove_scratch`.

    Raises
    ------
    StoreAccessError
        There is no place for one.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"sesstore-{purpose}-"))
    except OSError as problem:
        raise StoreAccessError(
            f"no temporary folder can be made ({problem.strerror or problem}). Free some space, or "
            f"set TMPDIR to a folder that can be written to"
        ) from None
    _folders.add(folder)
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _end)
    return folder


def remove_scratch(folder: Path) -> None:
    """Remove a temporary folder."""
    shutil.rmtree(folder, ignore_errors=True)
    _folders.discard(folder)


@contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """Yield a temporary folder, removed afterwards; raises as `make_scratch`."""
    folder = make_scratch(purpose)
    try:
        yield folder
    finally:
        remove_scratch(folder)


def _end(number: int, frame: FrameType | None) -> None:
    """Remove the folders, and end by the signal as if it had not been handled."""
    for folder in list(_folders):
        shutil.rmtree(folder, ignore_errors=True)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _after_fork() -> None:
    """Leave the folders to the parent."""
    _folders.clear()


os.register_at_fork(after_in_child=_after_fork)
