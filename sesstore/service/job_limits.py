"""What one client, and all of them together, may ask of a service."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import SesstoreError


@dataclass(frozen=True)
class ServiceLimits:
    """Sizes and rates; what is beyond is refused with an error that says them.

    Parameters
    ----------
    upload_bytes : int
        Of a file or text, unpacked.
    proteins, residues : int
        Of a job.
    waiting : int
        Jobs in the queue, of all clients.
    unfinished : int
        Jobs of one client that wait or run.
    jobs_a_minute : int
        That one client may begin.
    kept_jobs, kept_bytes : int
        Results in memory: beyond, the oldest goes.
    kept_seconds : float
        After which a result goes.
    """

    upload_bytes: int = 10_000_000
    proteins: int = 100
    residues: int = 50_000
    waiting: int = 20
    unfinished: int = 5
    jobs_a_minute: int = 20
    kept_jobs: int = 100
    kept_bytes: int = 256_000_000
    kept_seconds: float = 3600

    @property
    def sentence(self) -> str:
        """The limits of a job, for people."""
        return (
            f"At most {self.proteins:,} proteins, {self.residues:,} residues and "
            f"{self.upload_bytes / 1e6:g} MB (unpacked) a job; {self.jobs_a_minute:,} jobs a "
            f"minute, and {self.unfinished:,} of yours at a time. Results stay for "
            f"{self.kept_seconds / 60:g} minutes, in memory alone."
        )


class TooLargeError(SesstoreError):
    """More was sent than a job may have."""


class BusyError(SesstoreError):
    """The service takes no more at the moment.

    Parameters
    ----------
    problem : str
    seconds : float
        After which to try again.
    client : bool
        Whether it is this client that asked too much, rather than all of them.
    """

    def __init__(self, problem: str, seconds: float, *, client: bool) -> None:
        self.seconds, self.client = max(1, round(seconds)), client
        super().__init__(f"{problem}. Try again in {self.seconds} seconds")


class RateLimiter:
    """Counts what each client began in the last minute. Not for several threads at once.

    Parameters
    ----------
    most : int
        A minute.
    clock : callable
        Seconds.
    """

    WINDOW = 60.0
    CLIENTS = 10_000
    """Clients beyond which those of the last minutes are looked through."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._starts: dict[str, deque[float]] = {}

    def admit(self, client: str) -> None:
        """Count a start; raises `BusyError` if there were too many."""
        now = self._clock()
        if len(self._starts) > self.CLIENTS:
            self._starts = {k: v for k, v in self._starts.items() if now - v[-1] < self.WINDOW}
        starts = self._starts.get(client, deque())
        while starts and now - starts[0] >= self.WINDOW:
            starts.popleft()
        if len(starts) >= self._most:
            raise BusyError(
                f"you began {len(starts):,} jobs within a minute, and {self._most:,} are allowed",
                self.WINDOW - (now - starts[0]),
                client=True,
            )
        starts.append(now)
        self._starts[client] = starts
