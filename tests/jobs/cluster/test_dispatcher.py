"""The driver hands out work, and ends so that nothing that was done is lost."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from sesstore.errors import InputError
from sesstore.jobs.cluster import dispatcher as module
from sesstore.jobs.cluster.dispatcher import Dispatcher
from sesstore.jobs.cluster.work_items import WorkItem
from sesstore.jobs.cluster.work_queue import WorkQueue
from sesstore.jobs.cluster.worker_pool import Reply


class Pool:
    """Two workers that answer one call after another; one dies of, or raises, what is odd."""

    def __init__(self) -> None:
        self.ready = {1, 2}
        self.log: list[tuple[object, ...]] = []
        self.dismissals: list[bool] = []
        self._calls: list[tuple[int, str, tuple[object, ...]]] = []
        self._done: dict[int, list[int]] = {1: [], 2: []}

    @property
    def waits(self) -> bool:
        return bool(self._calls)

    def fill(self) -> None: ...

    def idle(self) -> list[int]:
        busy = {worker for worker, name, _ in self._calls if name not in ("stop", "progress")}
        return sorted(self.ready - busy)

    def awaits(self, worker: int, method: str) -> bool:
        return any((worker, method) == call[:2] for call in self._calls)

    def call(self, worker: int, method: str, *arguments: object) -> None:
        self._calls.append((worker, method, arguments))
        self.log.append((worker, method, *arguments))

    def replies(self, seconds: float) -> list[Reply]:
        worker, method, arguments = self._calls.pop(0)
        if method == "progress":
            return [Reply(worker, method, 3)]
        if method in ("commit", "close"):
            committed, self._done[worker] = self._done[worker], []
            return [Reply(worker, method, committed)]
        if method == "stop":
            return [Reply(worker, method)]
        number, items = arguments
        if "deadly" in items:
            self._done[worker] = []
            self._calls = [call for call in self._calls if call[0] != worker]
            return [Reply(worker, "")]
        if "wrong" in items:
            return [Reply(worker, method, error=InputError("wrong"))]
        self._done[worker].append(number)
        return [Reply(worker, method, SimpleNamespace(complete=True, committed=[], items=items))]

    def dismiss(self, *, unready: bool = False) -> None:
        self.dismissals.append(unready)
        if not unready:
            self.ready = set()


class Bar:
    def __init__(self) -> None:
        self.steps: list[int] = []
        self.workers: set[str] = set()

    def advance(self, amount: int = 1) -> None:
        self.steps.append(amount)

    def show(self, **figures: str) -> None:
        self.workers.add(figures["workers"])


def dispatched(*words: str, stop: object = (), remaining=lambda item: item):
    """Pool, queue, bar and dispatcher of work items of size 4, each of one word."""
    pool, bar = Pool(), Bar()
    queue = WorkQueue(WorkItem([word], 4, 1.0) for word in words)
    work = Dispatcher(pool, queue, lambda item: [list(item.items)], remaining, bar)
    return pool, queue, bar, work


def methods(pool: Pool, worker: int, *names: str) -> list[object]:
    return [call[1] for call in pool.log if call[0] == worker and call[1] in names]


def test_all_is_handed_out_once_and_committed() -> None:
    pool, queue, bar, work = dispatched("a", "b", "c")
    work.run(stop=[])
    assert queue.all_settled
    assert [call[1:] for call in pool.log[:3]] == [
        ("work", 0, ["a"]), ("work", 1, ["b"]), ("work", 2, ["c"]),
    ]  # fmt: skip
    assert sorted(word for result in work.results for word in result.items) == ["a", "b", "c"]
    assert sum(bar.steps) == 12
    assert "2" in bar.workers
    for worker in (1, 2):
        assert methods(pool, worker, "stop", "close") == ["stop", "close"]
        assert pool.log.index((worker, "stop")) < pool.log.index((worker, "close"))
    assert pool.dismissals == [True, False]  # who loads an encoder yet is not waited for


def test_an_error_of_one_worker_loses_nothing_of_the_others() -> None:
    pool, queue, bar, work = dispatched("a", "wrong", "b")
    with pytest.raises(InputError, match="wrong"):
        work.run(stop=[])
    for worker in (1, 2):
        assert methods(pool, worker, "stop", "commit", "close")[-3:] == ["stop", "commit", "close"]
    assert not queue.all_settled
    with pytest.raises(KeyError):
        queue.work_item(0)  # settled
    assert sum(bar.steps) >= 4


def test_when_stopped_what_is_done_is_committed() -> None:
    stop: list[int] = []
    pool, queue, _, work = dispatched("a", "b", "c", "d")
    take_in = work._take_in

    def stopping(answer: Reply) -> None:
        take_in(answer)
        stop.append(answer.worker)

    work._take_in = stopping  # type: ignore[method-assign]
    work.run(stop)
    assert [call[1] for call in pool.log if call[1] == "work"] == ["work"] * 2
    assert methods(pool, 1, "stop", "commit", "close") == ["stop", "commit", "close"]
    for number, is_settled in enumerate((True, True, False, False)):
        if is_settled:
            with pytest.raises(KeyError):
                queue.work_item(number)
        else:
            assert queue.work_item(number).size == 4


def test_of_what_a_lost_worker_had_only_the_rest_is_done_again() -> None:
    asked: list[list[str]] = []

    def remaining(item: WorkItem[str]) -> WorkItem[str] | None:
        asked.append(list(item.items))
        return WorkItem(["rest"], 1, 0.25) if "deadly" in item.items else item

    pool, queue, bar, work = dispatched("a", "deadly", "b", remaining=remaining)
    work.run(stop=[])
    assert queue.all_settled
    assert ["deadly"] in asked
    assert [call[3] for call in pool.log if call[1] == "work"].count(["deadly"]) == 1
    assert ["rest"] in [call[3] for call in pool.log if call[1] == "work"]
    assert sum(bar.steps) == 12
    assert min(bar.steps) > 0


def test_how_far_workers_are_shows_and_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ASK_SECONDS", 0.0)
    pool, _, bar, work = dispatched("a", "b", "c")
    turns, answer = count(), pool.replies

    def progress_first(seconds: float) -> list[Reply]:
        if next(turns) < 2:
            pool._calls.sort(key=lambda call: call[1] != "progress")
        return answer(seconds)

    pool.replies = progress_first  # type: ignore[method-assign]
    work.run(stop=[])
    assert sum(bar.steps) == 12
    assert 3 in bar.steps  # before the first was done
    assert min(bar.steps) > 0
