from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sesstore.sharing import limits
from sesstore.sharing.ranges import Span, in_flight, spans_of


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=60))
def test_ranges_cover_what_is_wanted_and_little_more(things):
    stops = np.cumsum([size for size, _ in things])
    starts = np.concatenate([[0], stops[:-1]])
    rows = np.flatnonzero([wanted for _, wanted in things])
    spans = spans_of(starts, stops, rows, max_bytes=100)
    assert [row for span in spans for row in span.rows] == rows.tolist()
    fetched = sum(span.stop - span.start for span in spans)
    needed = int((stops - starts)[rows].sum())
    assert needed <= fetched <= 1.05 * needed
    for span in spans:
        assert (starts[span.rows] >= span.start).all()
        assert (stops[span.rows] <= span.stop).all()


@given(st.lists(st.integers(1, 3 * limits.IN_FLIGHT_BYTES // 2), max_size=40), st.integers(1, 9))
def test_what_is_fetched_at_once_is_bounded(sizes, count):
    spans = [Span(0, size, np.zeros(0, np.int64)) for size in sizes]
    batches = list(in_flight(spans, count))
    assert [span for batch in batches for span in batch] == spans
    for batch in batches:
        assert len(batch) <= count
        assert len(batch) == 1 or sum(s.stop for s in batch) <= limits.IN_FLIGHT_BYTES


def spans(sizes: list[int], rows: list[int], **options: int) -> list[tuple[int, int, list[int]]]:
    stops = np.cumsum(sizes)
    cut = spans_of(stops - sizes, stops, np.array(rows, np.int64), **options)
    return [(span.start, span.stop, span.rows.tolist()) for span in cut]


def test_gaps_up_to_a_twentieth_of_what_is_needed_are_fetched_along():
    assert spans([50, 5, 50], [0, 2]) == [(0, 105, [0, 2])]
    assert spans([50, 6, 50], [0, 2]) == [(0, 50, [0]), (56, 106, [2])]
    assert spans([60, 4, 20, 3, 60], [4, 0, 2, 2]) == [(0, 147, [0, 2, 4])]
    assert spans([60, 5, 20, 3, 60], [0, 2, 4]) == [(0, 60, [0]), (65, 148, [2, 4])]
    assert spans([5], []) == []


def test_a_range_may_be_just_as_long_as_it_may():
    assert spans([50, 50, 50], [0, 1, 2], max_bytes=100) == [(0, 100, [0, 1]), (100, 150, [2])]
    assert spans([50, 50, 50], [0, 1, 2], max_bytes=99) == [
        (0, 50, [0]), (50, 100, [1]), (100, 150, [2]),
    ]  # fmt: skip
    assert spans([500], [0], max_bytes=99) == [(0, 500, [0])]


def test_documents_of_too_many_values():
    least = 1 << 16  # of a small document nothing is said
    allowed = least // limits.BYTES_A_VALUE
    for mark in (b",", b"[", b"{"):
        assert not limits.too_many_values(mark * allowed)
        assert limits.too_many_values(mark * (allowed + 1))
    large = b",".ljust(16, b" ") * (2 * allowed)
    assert not limits.too_many_values(large)
    assert limits.too_many_values(large[:-1])
