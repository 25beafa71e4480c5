"""Results of tasks come in the order of their items; tasks are done in this process."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from sesstore.jobs.cluster.connection import Cluster
from sesstore.jobs.cluster.ray_map import ordered_on_ray

from .package import Package, RayError

DEADLY = 11


def double(item: int) -> int:
    if item == DEADLY:
        raise RayError("the process died")
    if item < 0:
        raise KeyError(item)
    return 2 * item


def test_order_stays_and_only_the_deadly_item_is_lost() -> None:
    ray = Package(CPU=4.0)
    results = list(ordered_on_ray(ray, Cluster(threads=2), double, range(20), lambda item: -item))
    assert results == [-n if n == DEADLY else 2 * n for n in range(20)]
    assert ray.options == {"num_cpus": 2}
    retries = [call.how["max_retries"] for call in ray.calls]
    assert sorted(retries) == [0] * 8 + [1] * 3  # of its task each item alone, and once
    assert ray.cancelled == []


@pytest.mark.parametrize(
    ("cluster", "tasks"), [(Cluster(), 4), (Cluster(workers=3), 6), (Cluster(threads=9), 2)]
)
def test_items_are_read_two_tasks_a_worker_ahead(cluster: Cluster, tasks: int) -> None:
    ray, taken = Package(CPU=2.0), []

    def items() -> Iterator[int]:
        for item in itertools.count(100):
            taken.append(item)
            yield item

    results = ordered_on_ray(ray, cluster, double, items(), abs)
    assert next(results) == 200
    assert len(taken) == 8 * tasks
    for _ in range(8):
        next(results)
    assert len(taken) == 8 * (tasks + 1)
    results.close()
    assert len(ray.cancelled) == tasks - 1


def test_what_the_work_raises_comes_out() -> None:
    ray = Package(CPU=1.0)
    results = ordered_on_ray(ray, Cluster(), double, [1, 2, -3, *range(20, 40)], abs)
    with pytest.raises(KeyError, match="-3"):
        list(results)
    assert len(ray.cancelled) == 1
