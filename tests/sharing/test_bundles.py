from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.sharing import bundles, limits
from sesstore.sharing.bundle_records import Record
from sesstore.sharing.bundles import Footer, parse_footer, write_bundles


@settings(max_examples=settings.default.max_examples * 2 // 5)
@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.binary(max_size=30))))
def test_bundles_give_back_what_was_put_in(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("bundles")
    records = [Record(digest, data, i) for i, (digest, data) in enumerate(pairs)]
    back: list[Record] = []
    for sha, entry, path in write_bundles(folder, "ids", "", records, {}):
        raw = path.read_bytes()
        assert sha == sha256(raw).hexdigest()
        footer: Footer = parse_footer(raw[-entry.footer :], entry)
        for span in footer.spans(np.arange(len(footer))):
            back += footer.records(span, raw[span.start : span.stop])
    assert back == records


@settings(max_examples=settings.default.max_examples * 3 // 10)
@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 60), st.integers(1, 9))
def test_bundles_end_by_size_and_by_number(tmp_path_factory, sizes, cut, most):
    folder = tmp_path_factory.mktemp("bundles")
    records = [Record(bytes([i]) * 32, bytes(size)) for i, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "BUNDLE_RECORDS", most)
        patch.setattr(bundles, "CUT_BYTES", cut)
        made = [
            (e.records, e.bytes - e.footer)
            for _, e, _ in write_bundles(folder, "ids", "", records, {})
        ]
    assert sum(count for count, _ in made) == len(records)
    assert sum(size for _, size in made) == sum(sizes)
    assert all(1 <= count <= most and size < cut + 40 for count, size in made)
    assert all(count == most or size >= cut for count, size in made[:-1])
