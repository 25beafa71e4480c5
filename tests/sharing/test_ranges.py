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
