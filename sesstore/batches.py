"""Cut a stream into lists: so many items each, or so much together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Iterable[Item], count: int) -> Iterator[list[Item]]:
    """Yield lists of `count` items, in order; the last may be shorter."""
    remaining = iter(items)
    while batch := list(islice(remaining, count)):
        yield batch


def batches_within(
    items: Iterable[Item], limit: int, size_of: Callable[[Item], int], count: int
) -> Iterator[list[Item]]:
    """Yield lists of at most `count` items whose sizes sum to at most `limit`, in order.

    An item larger than that stands alone.
    """
    batch: list[Item] = []
    total = 0
    for item in items:
        size = size_of(item)
        if batch and (total + size > limit or len(batch) == count):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size
    if batch:
        yield batch
