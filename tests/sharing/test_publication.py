"""What a publication says of its segments."""

from __future__ import annotations

import pytest

from sesstore.sharing import share_paths
from sesstore.sharing.publication import row_sum
from sesstore.sharing.pull_context import Selection


def test_sums_tell_rows_apart():
    assert row_sum(b"ab", b"c") != row_sum(b"ab", None)


@pytest.mark.parametrize("change", [lambda raw: raw[:-16], lambda raw: raw + bytes(16)])
def test_more_or_fewer_sums_than_proteins(forgery, change):
    for segment in forgery.segments():
        path = forgery.path / share_paths.sums_path(segment.name)
        path.write_bytes(change(path.read_bytes()))
    forgery.refused(Selection(ids=("s0p3", "s0p60"), plms=("enc",)))
