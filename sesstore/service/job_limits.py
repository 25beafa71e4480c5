"""What one client, and all of them together, may ask of a service."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import InputError, SesstoreError


@dataclass(frozen=True)
class ServiceLimits:
    """Sizes and rates; what is beyond is refused with an error that says them.

    The ``help`` of a field is that of its option of `sesstore serve`.

    Parameters
    ----------
    proteins, residues : int
        Of a job.
    megabytes : float
        Of a job's file or text, unpacked.
    queue : int
        Jobs in the queue, of all clients.
    jobs : int
        Of one client that wait or run.
    jobs_a_minute : int
        That one client may begin.
    result_minutes : float
        After which a result goes.
    result_jobs, result_bytes : int
        Results in memory: beyond, the oldest goes.
    """

    proteins: int = field(default=100, metadata={"help": "Most proteins of a job.", "least": 1})
    residues: int = field(default=50_000, metadata={"help": "Most residues of a job.", "least": 1})
    megabytes: float = field(default=10.0, metadata={"help": "Most megabytes of a job, unpacked."})
    queue: int = field(
        default=20, metadata={"help": "Most jobs that wait, of all clients.", "least": 1}
    )
    jobs: int = field(
        default=5, metadata={"help": "Most jobs of one client that wait or run.", "least": 1}
    )
    jobs_a_minute: int = field(
        default=20, metadata={"help": "Most jobs a client may begin in a minute.", "least": 1}
    )
    result_minutes: float = field(
        default=60.0, metadata={"help": "Minutes a result stays, in memory alone."}
    )
    result_jobs: int = 100
    result_bytes: int = 256_000_000

    def __post_init__(self) -> None:
        for name in ("megabytes", "result_minutes"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name):g}. Give a number above 0")

    @property
    def upload_bytes(self) -> int:
        """Most bytes of a file or text, unpacked."""
        return round(1e6 * self.megabytes)

    @property
    def sentence(self) -> str:
        """The limits of a job, for people."""
        return (
            f"At most {self.proteins:,} proteins, {self.residues:,} residues and "
            f"{self.megabytes:g} MB (unpacked) a job; {self.jobs_a_minute:,} jobs a "
            f"minute, and {self.jobs:,} of yours at a time. Results stay for "
            f"{self.result_minutes:g} minutes, in memory alone."
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
    limit : int
        A minute.
    clock : callable
        Seconds.
    """

    WINDOW = 60.0
    CLIENTS = 10_000
    """Clients beyond which those of the last minutes are looked through."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._starts: dict[str, deque[float]] = {}

    def admit(self, client: str) -> None:
        """Count a start; raises `BusyError` if there were too many."""
        moment = self._clock()
        if len(self._starts) > self.CLIENTS:
            self._starts = {k: v for k, v in self._starts.items() if moment - v[-1] < self.WINDOW}
        starts = self._starts.get(client, deque())
        while starts and moment - starts[0] >= self.WINDOW:
            starts.popleft()
        if len(starts) >= self._limit:
            raise BusyError(
                f"you began {len(starts):,} jobs within a minute, and {self._limit:,} are allowed",
                self.WINDOW - (moment - starts[0]),
                client=True,
            )
        starts.append(moment)
        self._starts[client] = starts
