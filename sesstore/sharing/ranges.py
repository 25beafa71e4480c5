"""Which ranges to fetch for some of many items that lie back to back.

Neighbours are fetched at once, and small gaps along with them, as long as the gaps stay below a
twentieth of what is needed: few requests, and never much more than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..batches import batches_within
from . import limits

MAX_BYTES = 8 << 20
_SLACK = 0.05


@dataclass(frozen=True, eq=False)
class Span:
    """One range.

    Parameters
    ----------
    start, stop : int
        Where it begins, and one past its end.
    rows : ndarray, shape=(n,), dtype=int64
        The items in it, in order.
    """

    start: int
    stop: int
    rows: NDArray[np.int64]


def spans_of(
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    rows: NDArray[np.int64],
    max_bytes: int = MAX_BYTES,
) -> list[Span]:
    """Cut items into ranges.

    Parameters
    ----------
    starts, stops : ndarray, shape=(P,), dtype=int64
        Where each item begins and ends; in order.
    rows : ndarray, shape=(n,), dtype=int64
        Which items are needed.
    max_bytes : int
        A range is not made longer than this, unless one item is.

    Returns
    -------
    list of Span
    """
    rows = np.unique(rows)
    if not len(rows):
        return []
    gaps = starts[rows[1:]] - stops[rows[:-1]]
    order = np.argsort(gaps, kind="stable")
    budget = _SLACK * float((stops[rows] - starts[rows]).sum())
    joined = np.zeros(len(gaps), bool)
    joined[order] = np.cumsum(gaps[order]) <= budget
    spans, first = [], 0
    for i in range(1, len(rows) + 1):
        end = i == len(rows)
        if end or not joined[i - 1] or stops[rows[i]] - starts[rows[first]] > max_bytes:
            part = rows[first:i]
            spans.append(Span(int(starts[part[0]]), int(stops[part[-1]]), part))
            first = i
    return spans


def in_flight(spans: list[Span], count: int = 8) -> Iterator[list[Span]]:
    """Cut ranges into lists to be fetched at once: so many, and of bounded size together."""
    return batches_within(spans, limits.IN_FLIGHT_BYTES, lambda s: s.stop - s.start, count)
