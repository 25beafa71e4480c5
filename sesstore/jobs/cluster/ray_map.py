"""Do a function on many items as tasks of a Ray cluster, and give the results in order.

For work whose results are small, such as tokens of structures. A task takes a few items; one whose
process or machine dies is done again, at last item by item, so that only the one to blame is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from .connection import Cluster, slots

Item = TypeVar("Item")
Result = TypeVar("Result")

_BATCH = 8
"""Items of a task."""

_RETRIES = 1
_AHEAD = 2
"""Tasks under way a worker."""


def ordered_on_ray(
    ray: Any,
    cluster: Cluster,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    on_death: Callable[[Item], Result],
) -> Iterator[Result]:
    """Do `work` on items over a cluster; results come in the order of the items.

    Parameters
    ----------
    ray : module
        Connected, see `connection.connected`.
    cluster : Cluster
        Its workers run at once; the cluster may grow and shrink meanwhile.
    work : callable
        A function of a module.
    items : iterable
        Read as far ahead as there is room.
    on_death : callable
        Gives the result of an item whose processes died again and again.

    Raises
    ------
    SesstoreError
        Whatever `work` raised.
    """
    task = ray.remote(num_cpus=cluster.threads)(_run_batch)
    iterator = iter(items)
    under_way: deque[tuple[list[Item], Any]] = deque()
    try:
        while True:
            room = _AHEAD * max(slots(ray, cluster, gpus=False), 1) - len(under_way)
            for _ in range(room):
                if not (batch := list(islice(iterator, _BATCH))):
                    break
                under_way.append((batch, task.options(max_retries=_RETRIES).remote(work, batch)))
            if not under_way:
                return
            batch, reference = under_way.popleft()
            results = _result(ray, reference)
            if results is not None:
                yield from results
                continue
            for item in batch:
                alone = _result(ray, task.options(max_retries=0).remote(work, [item]))
                yield on_death(item) if alone is None else alone[0]
    finally:
        for _, reference in under_way:
            ray.cancel(reference)


def _run_batch(work: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [work(item) for item in items]


def _result(ray: Any, reference: Any) -> Any:
    """What a task returned; None if its processes died."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as problem:
        raise problem.cause from None
    except ray.exceptions.RayError:
        return None
