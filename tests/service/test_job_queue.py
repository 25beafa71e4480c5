from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sesstore.errors import InputError, StoppedError
from sesstore.proteins import Protein
from sesstore.service.job_limits import BusyError, ServiceLimits
from sesstore.service.job_queue import Job, JobQueue, State
from sesstore.service.results import JobResult, ProteinResult
from sesstore.service.submission import Submission

LIMITS = ServiceLimits(queue=3, jobs=2, jobs_a_minute=1000)


def submission(name: str = "x") -> Submission:
    return Submission(name, (Protein("p", "MKV"),))


def empty(job: Job) -> JobResult:
    return JobResult({"name": job.submission.name}, {}, [])


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


class Gate:
    """Work that waits until it may go on, or is cancelled."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.order: list[str] = []

    def __call__(self, job: Job) -> JobResult:
        self.order.append(job.submission.name)
        while not self.open.wait(0.002):
            if job.cancel.is_set():
                raise StoppedError("stopped")
        return empty(job)


@contextmanager
def gated(limits: ServiceLimits = LIMITS) -> Iterator[tuple[JobQueue, Gate]]:
    gate = Gate()
    with JobQueue(gate, limits, print) as queue:
        yield queue, gate


def test_jobs_come_one_after_another() -> None:
    with gated() as (queue, gate):
        jobs = [queue.add(submission(f"j{i}"), f"client{i}") for i in range(3)]
        wait_for(lambda: jobs[0].state is State.RUNNING)
        assert [queue.position(job) for job in jobs] == [0, 1, 2]
        gate.open.set()
        wait_for(lambda: jobs[2].state is State.DONE)
        assert gate.order == ["j0", "j1", "j2"]
        assert all(job.result is not None for job in jobs)
        assert not jobs[0].submission.proteins  # dropped with the job's end
        assert len({job.id for job in jobs}) == 3


def test_a_job_that_waits_or_runs_is_given_up() -> None:
    with gated() as (queue, gate):
        running, waiting, last = (queue.add(submission(str(i)), str(i)) for i in range(3))
        wait_for(lambda: running.state is State.RUNNING)
        queue.cancel(waiting)
        assert waiting.state is State.CANCELLED
        queue.cancel(running)
        wait_for(lambda: running.state is State.CANCELLED)
        gate.open.set()
        wait_for(lambda: last.state is State.DONE)
        assert gate.order == ["0", "2"]
        queue.cancel(last)  # its result goes
        assert queue.find(last.id) is None
        assert queue.find(running.id) is running


def test_jobs_that_are_over_leave_room_for_others_of_the_client() -> None:
    with gated() as (queue, gate):
        gate.open.set()
        for _ in range(4):  # two at a time
            job = queue.add(submission(), "a")
            wait_for(lambda job=job: job.state is State.DONE)
    with pytest.raises(BusyError):  # its worker has gone
        queue.add(submission(), "a")


def test_a_result_that_comes_after_the_cancelling_is_dropped() -> None:
    started, finish = threading.Event(), threading.Event()

    def work(job: Job) -> JobResult:
        started.set()
        finish.wait(20)
        return empty(job)

    with JobQueue(work, LIMITS, print) as queue:
        job = queue.add(submission(), "a")
        started.wait(20)
        queue.cancel(job)
        finish.set()
        wait_for(lambda: job.state is State.CANCELLED)
        assert job.result is None


def test_a_full_queue_and_a_greedy_client_are_told() -> None:
    with gated() as (queue, _):
        first = queue.add(submission(), "a")
        wait_for(lambda: first.state is State.RUNNING)
        queue.add(submission(), "a")
        with pytest.raises(BusyError, match="2 of your jobs") as greedy:
            queue.add(submission(), "a")
        assert greedy.value.client
        queue.add(submission(), "b")
        queue.add(submission(), "c")
        for refuse in (queue.admit, lambda client: queue.add(submission(), client)):
            with pytest.raises(BusyError, match=r"queue is full \(3 jobs wait\)") as full:
                refuse("d")
            assert not full.value.client


def test_errors_are_told_and_the_next_job_goes_on() -> None:
    told: list[str] = []

    def work(job: Job) -> JobResult:
        if job.submission.name == "wrong":
            raise InputError("line 3 is wrong")
        if job.submission.name == "broken":
            raise ZeroDivisionError("/secret/path")
        return empty(job)

    with JobQueue(work, ServiceLimits(), told.append) as queue:
        wrong, broken, right = (queue.add(submission(n), n) for n in ("wrong", "broken", "right"))
        wait_for(lambda: right.state is State.DONE)
    assert (wrong.state, wrong.error) == (State.FAILED, "line 3 is wrong")
    assert broken.state is State.FAILED
    assert "secret" not in broken.error
    assert told == ["a job failed: ZeroDivisionError: /secret/path"]


def test_results_go_with_time_and_number() -> None:
    now = [0.0]
    limits = ServiceLimits(result_jobs=2, result_minutes=100 / 60)
    with JobQueue(empty, limits, print, lambda: now[0]) as queue:

        def finished() -> Job:
            now[0] += 10
            job = queue.add(submission(), "a")
            wait_for(lambda: job.state is State.DONE)
            return job

        first, second, third = finished(), finished(), finished()
        assert [queue.find(job.id) for job in (first, second, third)] == [None, second, third]
        now[0] = third.end + 99
        assert queue.find(third.id) is third
        assert queue.find(second.id) is None  # 109 seconds
        now[0] += 1
        assert queue.find(third.id) is None


@pytest.mark.parametrize(("spare", "stay"), [(0, ["b", "wrong", "c"]), (-1, ["wrong", "c"])])
def test_results_go_when_they_take_more_memory_than_there_is(spare: int, stay: list[str]) -> None:
    """Markup, and a list of a row with an entry a residue; a job that failed takes none."""
    protein = ProteinResult({}, "M" * 9, {}, None, [], "x" * 1000, in_3d=False)
    size = JobResult({}, {}, [protein]).bytes
    assert size == 1000 + 9 * 200
    assert JobResult({}, {}, [protein, protein]).bytes == 2 * size

    def work(job: Job) -> JobResult:
        if job.submission.name == "wrong":
            raise InputError("wrong")
        return JobResult({}, {}, [protein])

    now = [0.0]
    with JobQueue(
        work, ServiceLimits(result_bytes=2 * size + spare), print, lambda: now[0]
    ) as queue:
        jobs = []
        for name in ("a", "b", "wrong", "c"):
            now[0] += 1
            jobs.append(queue.add(submission(name), "me"))
            wait_for(lambda: jobs[-1].end == now[0])
        assert [job.submission.name for job in jobs if queue.find(job.id)] == stay


def test_the_end_gives_up_what_waits() -> None:
    gate = Gate()
    with JobQueue(gate, LIMITS, print) as queue:
        running, waiting = queue.add(submission("0"), "a"), queue.add(submission("1"), "b")
        wait_for(lambda: running.state is State.RUNNING)
    assert (running.state, waiting.state) == (State.CANCELLED, State.CANCELLED)
    assert gate.order == ["0"]
    assert not any(thread.name == "predictions" for thread in threading.enumerate())
