"""Stop on Ctrl-C or SIGTERM after the work in hand, not in the middle of it; say how to go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ..errors import StoppedError, StorageFullError
from ..provenance import resuming
from ..training.runs import STATE


class StopRequest:
    """Whether somebody asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: str | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM (which Slurm sends before it preempts) for the while.

    The first signal is only noted; a second SIGINT interrupts at once, as usual. Outside the main
    thread nothing is caught, because Python delivers signals there only.

    Yields
    ------
    StopRequest
        True once a signal came.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        if request and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.signal = signal.Signals(number).name

    handlers = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def saying_how_to_resume(folder: Path) -> Iterator[None]:
    """Add the whole command that goes on to what ends a training in a folder before its time.

    Raises
    ------
    StoppedError, StorageFullError
        As raised within, with the command.
    """
    try:
        yield
    except StoppedError as stopped:
        raise StoppedError(f"{stopped}. {resuming(folder)}") from None
    except StorageFullError as problem:
        if not any(folder.rglob(STATE)):
            raise
        raise StorageFullError(
            f"no space left for '{folder}'; what was trained before is saved there. Free some "
            f"space. {resuming(folder)}"
        ) from problem
