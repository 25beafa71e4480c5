"""Jobs in a queue, one worker, results in memory for a while.

The worker is one thread: a model is there once, and jobs come one after another. A job is cancelled
at once while it waits, and after the proteins under way while it runs. Ids are random and long: who
knows one may see its job, so results need no accounts.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import SesstoreError, StoppedError
from .job_limits import BusyError, RateLimiter, ServiceLimits
from .results import JobResult
from .submission import Submission


class State(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


END_STATES = (State.DONE, State.FAILED, State.CANCELLED)


@dataclass(eq=False)
class Job:
    """One submission on its way.

    Parameters
    ----------
    submission : Submission
        Its proteins and structure are dropped when it is finished.
    client : str
        Who sent it.
    id : str
    state : State
    stage : str
        What is being done.
    done, total : int
        Units of the stage; the total is 0 where it is not known.
    error : str
        Why it failed.
    result : JobResult, optional
    end : float
        When it was over, in monotonic seconds.
    """

    submission: Submission
    client: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = State.QUEUED
    stage: str = ""
    done: int = 0
    total: int = 0
    error: str = ""
    result: JobResult | None = None
    end: float = 0.0
    cancel: threading.Event = field(default_factory=threading.Event)


Work = Callable[[Job], JobResult]


class JobQueue(AbstractContextManager["JobQueue"]):
    """A queue and its worker; use it in a ``with`` block.

    Parameters
    ----------
    work : callable
        Does a job; asks `Job.cancel` now and then, and raises `StoppedError` once that is set.
    limits : ServiceLimits
    unexpected : callable
        Told in one line of an error that no job should bring about.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        work: Work,
        limits: ServiceLimits,
        unexpected: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work, self._limits, self._unexpected = work, limits, unexpected
        self._clock, self._rate = clock, RateLimiter(limits.jobs_a_minute, clock)
        self._jobs: dict[str, Job] = {}
        self._queue: list[Job] = []
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._worker = threading.Thread(target=self._run, name="predictions", daemon=True)

    def __enter__(self) -> JobQueue:
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop after the proteins under way; what waits is given up."""
        with self._changed:
            self._closing = True
            for job in list(self._queue):
                self._finish(job, State.CANCELLED)
            self._queue.clear()
            if self._running is not None:
                self._running.cancel.set()
            self._changed.notify_all()
        self._worker.join()

    def admit(self, client: str) -> None:
        """Count a try of a client's, before what it sent is read.

        Raises
        ------
        BusyError
            The client has begun too many, or the queue is full.
        """
        with self._changed:
            self._check_room(client)
            self._rate.admit(client)

    def add(self, submission: Submission, client: str) -> Job:
        """Put a job at the end of the queue; raises `BusyError` if that is full."""
        job = Job(submission, client)
        with self._changed:
            self._check_room(client)
            self._forget()
            self._jobs[job.id] = job
            self._queue.append(job)
            self._changed.notify_all()
        return job

    def find(self, id: str) -> Job | None:
        """Return the job of an id; None if there is none, or no more."""
        with self._changed:
            self._forget()
            return self._jobs.get(id)

    def position(self, job: Job) -> int:
        """Jobs that come before a job that waits, the one that runs among them."""
        with self._changed:
            if job not in self._queue:
                return 0
            return self._queue.index(job) + (self._running is not None)

    def cancel(self, job: Job) -> None:
        """Give a job up: at once if it waits, soon if it runs; forget it if it is finished."""
        with self._changed:
            job.cancel.set()
            if job in self._queue:
                self._queue.remove(job)
                self._finish(job, State.CANCELLED)
            elif job.state in END_STATES:
                self._jobs.pop(job.id, None)

    def _check_room(self, client: str) -> None:
        if self._closing or len(self._queue) >= self._limits.queue:
            raise BusyError(f"the queue is full ({len(self._queue):,} jobs wait)", 30, client=False)
        active = (j for j in self._jobs.values() if j.state not in END_STATES)
        if sum(job.client == client for job in active) >= self._limits.jobs:
            raise BusyError(
                f"{self._limits.jobs:,} of your jobs wait or run, and that many are allowed "
                f"at a time",
                15,
                client=True,
            )

    def _forget(self) -> None:
        """Drop results that are old, or more than memory is meant for."""
        results = [job for job in self._jobs.values() if job.state in END_STATES]
        results.sort(key=lambda job: job.end, reverse=True)
        size, moment = 0, self._clock()
        for place, job in enumerate(results):
            size += 0 if job.result is None else job.result.bytes
            if (
                moment - job.end >= 60 * self._limits.result_minutes
                or place >= self._limits.result_jobs
                or size > self._limits.result_bytes
            ):
                del self._jobs[job.id]

    def _finish(self, job: Job, state: State, error: str = "") -> None:
        job.state, job.error, job.end = state, error, self._clock()
        job.submission = Submission(job.submission.name)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._queue)
                if self._closing:
                    return
                self._running = job = self._queue.pop(0)
                job.state = State.RUNNING
            outcome = self._outcome(job)
            with self._changed:
                self._running = None
                self._finish(job, *outcome)
                self._forget()

    def _outcome(self, job: Job) -> tuple[State, str]:
        try:
            job.result = self._work(job)
        except StoppedError:
            return State.CANCELLED, ""
        except SesstoreError as problem:
            return State.FAILED, str(problem)
        except Exception as problem:  # whatever it is, the next job must go on
            self._unexpected(f"a job failed: {type(problem).__name__}: {problem}")
            return State.FAILED, (
                "something went wrong that should not have. Ask who runs this server to look at "
                "its messages"
            )
        if job.cancel.is_set():
            job.result = None
            return State.CANCELLED, ""
        return State.DONE, ""
