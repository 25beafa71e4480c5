"""Processes that work on a store while something is done to them; what they raise is kept."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sesstore.errors import SesstoreError

UNCLEAR = 66
"""Exit status of a child that raised something which is no error on purpose."""

_GROUP = 54_000
_REFUSED = {
    *(errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}


@dataclass
class Child:
    """A forked process; what it raised goes to `log`."""

    pid: int
    log: Path

    @classmethod
    def start(cls, work: Callable[[], object], log: Path, uid: int | None = None) -> Child:
        """Fork, and do some work there, as another person if asked to."""
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _work_and_exit(work, log, uid)
        return cls(pid, log)

    def wait(self) -> int:
        """Exit status, or minus the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def runs(self) -> bool:
        """Whether it has not ended."""
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is None

    def end(self, after: float, how: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal after some seconds; its exit status."""
        time.sleep(after)
        os.kill(self.pid, how)
        return self.wait()

    @property
    def text(self) -> str:
        """What it raised."""
        return self.log.read_text() if self.log.exists() else "nothing was raised"


def _work_and_exit(work: Callable[[], object], log: Path, uid: int | None) -> None:
    status = UNCLEAR
    try:
        with log.open("w") as file:  # before the work: the fault may be that nothing can be opened
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                if uid is not None:
                    os.setgroups([])
                    os.setgid(_GROUP)
                    os.setuid(uid)
                    os.umask(0o002)
                work()
                status = 0
            except BaseException as problem:
                status = 1 if _is_clear(problem) else UNCLEAR
                traceback.print_exc(file=file)
    finally:
        os._exit(status)


def _is_clear(problem: BaseException) -> bool:
    """Whether an error was raised on purpose, or is one of the system that the commands word."""
    refused = isinstance(problem, OSError) and problem.errno in _REFUSED
    return isinstance(problem, SesstoreError | MemoryError) or refused


def share(path: Path, uid: int) -> None:
    """Make a folder a group's, as labs do: setgid, and the group's to write."""
    path.mkdir(exist_ok=True)
    os.chown(path, uid, _GROUP)
    path.chmod(0o2775)
