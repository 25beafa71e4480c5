"""A pool hires, calls and replaces workers; they are of this process."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sesstore.errors import ClusterError
from sesstore.jobs.cluster import worker_pool
from sesstore.jobs.cluster.worker_pool import Reply, WorkerPool

from .package import Package


class Worker:
    def __init__(self, order: str) -> None:
        self.order = order

    def prepare(self) -> None: ...

    def work(self, value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return self.order, value

    def commit(self) -> list[int]:
        return [7]

    def progress(self) -> int:
        return 3


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    time = SimpleNamespace(now=0.0, slept=[])
    time.monotonic, time.sleep = lambda: time.now, time.slept.append
    monkeypatch.setattr(worker_pool, "time", time)
    return time


def pool_of(ray: Package, sizes: list[int]) -> WorkerPool:
    """A pool of as many workers as the first size says, and so on; the last one stays."""
    return WorkerPool(
        ray, Worker, "order", {"num_cpus": 2}, lambda: sizes.pop(0) if sizes[1:] else sizes[0]
    )


def test_workers_are_ready_when_they_have_prepared_and_idle_when_they_do_nothing(clock) -> None:
    ray = Package()
    pool = pool_of(ray, [2])
    assert pool.replies(0.5) == []
    assert clock.slept == [0.5]
    pool.fill()
    assert ray.options["num_cpus"] == 2
    assert (ray.options["max_restarts"], ray.options["max_task_retries"]) == (0, 0)
    assert [call.name for call in ray.calls] == ["prepare", "prepare"]
    assert (pool.idle(), pool.ready, pool.waits) == ([], set(), True)
    ray.calls[1].ready = False
    assert pool.replies(1) == [Reply(1, "prepare")]
    assert (pool.idle(), pool.ready) == ([1], {1})
    ray.calls[1].ready = True
    pool.replies(1)
    pool.call(1, "work", 5)
    pool.call(2, "progress")
    assert (pool.idle(), pool.awaits(1, "work"), pool.awaits(2, "work")) == ([2], True, False)
    groups = [call.how.get("concurrency_group") for call in ray.calls[2:]]
    assert groups == [None, "control"]  # it is answered while a worker works
    assert pool.replies(1) == [Reply(1, "work", ("order", 5)), Reply(2, "progress", 3)]
    assert (pool.idle(), pool.waits) == ([1, 2], False)


def test_a_pool_grows_with_its_cluster_and_looks_now_and_then(clock) -> None:
    ray = Package()
    pool = pool_of(ray, [1, 3, 2])
    for seconds, count in ((0.0, 1), (4.9, 1), (5.0, 3), (9.9, 3), (10.0, 3)):
        clock.now = seconds
        pool.fill()
        assert len(ray.handles) == count
    assert ray.killed == []


def test_who_dies_is_replaced_and_what_it_was_asked_is_forgotten(clock) -> None:
    ray = Package()
    pool = pool_of(ray, [2])
    pool.fill()
    pool.replies(1)
    for method in ("work", "progress"):
        pool.call(1, method, *([5] if method == "work" else []))
    pool.call(2, "commit")
    ray.handles[0].is_dead = True
    replies = pool.replies(1)
    assert [(reply.worker, reply.lost) for reply in replies] == [(1, True), (2, False)]
    assert replies[1] == Reply(2, "commit", [7])
    assert (pool.ready, pool.waits, ray.killed) == ({2}, False, [ray.handles[0]])
    pool.fill()  # at once, whenever the cluster was asked last
    assert pool.replies(1) == [Reply(3, "prepare")]
    assert pool.idle() == [2, 3]


def test_what_a_worker_raises_is_its_answer_and_it_stays(clock) -> None:
    ray, problem = Package(), KeyError("no such thing")
    pool = pool_of(ray, [1])
    pool.fill()
    pool.replies(1)
    pool.call(1, "work", problem)
    (reply,) = pool.replies(1)
    assert (reply.method, reply.error, reply.lost) == ("work", problem, False)
    assert (pool.idle(), ray.killed) == ([1], [])


@pytest.mark.parametrize("succeeds", [False, True])
def test_workers_that_die_one_after_the_other_are_an_error(
    clock, monkeypatch: pytest.MonkeyPatch, succeeds: bool
) -> None:
    """Two more than there are; what is finished in between begins the count anew."""
    monkeypatch.setattr(worker_pool, "_MOST_DEATHS", 2)
    ray = Package()
    pool = pool_of(ray, [1])
    for death in range(1, 4):
        pool.fill()
        pool.replies(1)
        if succeeds and death == 3:
            pool.call(death, "work", 5)
            pool.replies(1)
        ray.handles[-1].is_dead = True
        pool.call(death, "work", 5)
        assert pool.replies(1)[0].lost
    pool.fill()
    ray.handles[-1].is_dead = True
    if succeeds:
        assert pool.replies(1)[0].lost
        return
    with pytest.raises(ClusterError, match=r"4 workers died .* The actor died unexpectedly\. Most"):
        pool.replies(1)


def test_those_that_have_not_prepared_may_be_let_go_alone(clock) -> None:
    ray = Package()
    pool = pool_of(ray, [2])
    pool.fill()
    ray.calls[0].ready = False
    pool.replies(1)
    pool.call(2, "commit")
    pool.dismiss(unready=True)
    assert (ray.killed, pool.ready) == ([ray.handles[0]], {2})
    assert pool.replies(1) == [Reply(2, "commit", [7])]
    pool.dismiss()
    assert (ray.killed, pool.ready, pool.waits) == (ray.handles, set(), False)
