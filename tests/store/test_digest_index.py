"""Digests that share their first eight bytes are still different digests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.errors import InputError
from sesstore.store.digest_index import DigestIndex, as_rows


def digest(head: int, tail: int) -> bytes:
    return head.to_bytes(8, "big") + tail.to_bytes(24, "big")


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=20),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=20),
)
def test_rows_are_found_and_firsts_told_whatever_the_digests_share(stored, wanted):
    digests = [digest(*pair) for pair in stored]
    index = DigestIndex(as_rows(digests))
    expected = [digests.index(d) if d in digests else -1 for d in (digest(*w) for w in wanted)]
    assert index.find(as_rows(digest(*w) for w in wanted)).tolist() == expected
    assert index.firsts().tolist() == [digests.index(d) == i for i, d in enumerate(digests)]


def test_of_digests_alike_in_eight_bytes_each_has_its_own_row():
    digests = [digest(7, tail) for tail in (3, 1, 2)]
    index = DigestIndex(as_rows(digests))
    assert index.find(as_rows(digests)).tolist() == [0, 1, 2]
    assert index.find(as_rows([digest(7, 9), digest(2**64 - 1, 1)])).tolist() == [-1, -1]


def test_a_digest_has_32_bytes():
    with pytest.raises(InputError):
        as_rows([b"short"])
    assert DigestIndex(np.empty((0, 32), np.uint8)).find(as_rows([digest(1, 1)])).tolist() == [-1]


def test_digests_of_any_layout_are_the_same_digests():
    digests = np.random.default_rng(0).integers(0, 256, (6, 64), np.uint8)[:, ::2]
    index = DigestIndex(digests)
    assert index.find(digests[::-1]).tolist() == [5, 4, 3, 2, 1, 0]
    assert index.find(digests[2].astype(np.int64)).tolist() == [2]
    assert as_rows(digests[1].astype(np.int16)).dtype == np.uint8
    assert as_rows([]).shape == (0, 32)
    assert index.find(as_rows([])).dtype == index.find(digests).dtype == np.int64
    with pytest.raises(InputError, match=r"32 bytes. Take it from `Protein\.digest`"):
        as_rows([bytes(16), bytes(48)])
