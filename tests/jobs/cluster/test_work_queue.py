"""The driver's bookkeeping, without a cluster."""

from __future__ import annotations

import random

from hypothesis import example, given
from hypothesis import strategies as st

from sesstore.jobs.cluster.work_items import WorkItem
from sesstore.jobs.cluster.work_queue import WorkQueue


def work_items(count: int, items: int = 4) -> list[WorkItem[int]]:
    return [WorkItem(list(range(i * items, (i + 1) * items)), items, 1.0) for i in range(count)]


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32))
@example(3, 3, 6)
def test_whoever_dies_everything_is_settled_in_the_end(count, workers, seed) -> None:
    """Random orders of work, commits and deaths; a model keeps what is really committed."""
    rng, queue, stored = random.Random(seed), WorkQueue(work_items(count)), set()
    running: dict[int, tuple[int, WorkItem[int]]] = {}
    held: dict[int, list[tuple[int, WorkItem[int]]]] = {}
    names, now, deaths = list(range(workers)), 0.0, 3
    while not queue.all_settled:
        now += rng.random() * 5
        worker = rng.choice(names)
        event = rng.random()
        if event < 0.1 and deaths:
            deaths -= 1
            queue.lose(worker)
            running.pop(worker, None)
            held.pop(worker, None)
            names[names.index(worker)] = max(names) + 1
        elif worker in running:
            held.setdefault(worker, []).append(running.pop(worker))
            queue.mark_done(worker, now)
        elif event < 0.5 and (taken := queue.take(worker, now)):
            running[worker] = taken
        elif worker in held:
            done = held.pop(worker)
            stored |= {item for _, work_item in done for item in work_item.items}
            queue.settle(number for number, _ in done)
            assert not queue.has_uncommitted(worker)
        assert 0 <= queue.progress <= 4 * count
    assert stored == set(range(4 * count))
    assert queue.progress == 4 * count
    assert not queue.abandoned


def test_a_work_item_that_is_too_slow_is_given_to_another_once() -> None:
    queue = WorkQueue(work_items(3))
    for worker, now in ((1, 0.0), (2, 0.0)):
        assert queue.take(worker, now)
    queue.mark_done(2, 3.0)
    assert queue.take(2, 3.0)
    queue.mark_done(2, 6.0)
    assert queue.take(2, 5.9) is None  # twice three seconds are not over
    number, _ = queue.take(2, 6.1)
    assert number == 0
    assert queue.take(3, 60.0) is None
    queue.mark_done(2, 7.0)
    queue.settle([0, 1, 2])
    assert queue.all_settled
    queue.mark_done(1, 100.0)  # the slow one comes in late, and changes nothing
    assert (queue.progress, queue.has_uncommitted(1)) == (12, False)


def test_what_a_lost_worker_held_counts_once_though_another_does_it_too() -> None:
    queue = WorkQueue(work_items(2))
    number, _ = queue.take(1, 0.0)
    queue.take(2, 0.0)
    queue.mark_done(2, 1.0)
    assert queue.take(3, 50.0)[0] == number  # re-issued: the first worker is slow
    queue.mark_done(1, 51.0)
    assert queue.progress == 8
    assert queue.lose(1) == []  # the third worker does it already
    assert queue.progress == 4
    queue.mark_done(3, 52.0)
    assert queue.progress == 8
    queue.settle([0, 1])
    assert queue.all_settled


def test_what_another_worker_has_done_is_not_handed_out_again_when_the_slow_one_dies() -> None:
    queue = WorkQueue(work_items(2))
    for worker in (1, 2):
        queue.take(worker, 0.0)
    queue.mark_done(2, 1.0)
    assert queue.take(3, 50.0)[0] == 0
    queue.mark_done(3, 51.0)
    assert queue.lose(1) == []
    assert queue.take(4, 60.0) is None
    queue.settle([0, 1])
    assert queue.all_settled
    assert queue.progress == 8


def test_of_a_deadly_work_item_only_the_deadly_item_is_given_up() -> None:
    queue, deaths = WorkQueue(work_items(3)), 0
    for worker in range(100):
        taken = queue.take(worker, float(worker))
        if taken is None:
            break
        if 6 in taken[1].items:
            queue.lose(worker)
            deaths += 1
        else:
            queue.mark_done(worker, worker + 1.0)
            queue.settle([taken[0]])
    assert queue.all_settled
    assert queue.abandoned == [6]
    assert deaths == 5


def test_what_is_stored_of_a_lost_work_item_is_not_done_again() -> None:
    queue = WorkQueue(work_items(2))
    queue.take(1, 0.0)
    (again,) = queue.lose(1)
    queue.replace(again, WorkItem([2, 3], 2, 0.5))
    assert queue.progress == 2
    queue.take(1, 1.0)
    (other,) = queue.lose(1)
    queue.replace(other, None)
    assert queue.progress == 6
    _, work_item = queue.take(1, 2.0)
    assert list(work_item.items) == [2, 3]
