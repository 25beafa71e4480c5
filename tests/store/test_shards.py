"""Shards of values: sizes, order, mapping."""

import numpy as np
import pytest

from sesstore.store import layout
from sesstore.store.shards import ShardWriter, open_rows


@pytest.mark.parametrize("dim", [1, 33, 1280, 2561])
@pytest.mark.parametrize("itemsize", [1, 2, 4])
def test_whole_shards_are_whole_pages_near_128_mib(dim, itemsize):
    rows = layout.shard_rows(dim, itemsize)
    assert rows % layout.CHUNK_ROWS == 0
    assert rows * dim * itemsize % layout.PAGE == 0
    assert rows * dim * itemsize < 700 << 20


def test_a_shard_out_of_order_is_not_mapped(tmp_path):
    """Zarr may write inner chunks in any order: then the index says so."""
    values = np.arange(64, dtype=np.float32).reshape(32, 2)
    writer = ShardWriter(tmp_path / "v", "float32", 2)
    writer.append(values)
    writer.finish()
    import struct

    import google_crc32c

    layout_json = layout.parse((tmp_path / "v/zarr.json").read_bytes())
    layout_json["codecs"][0]["configuration"]["chunk_shape"] = [16, 2]
    (tmp_path / "v/zarr.json").write_bytes(layout.document(layout_json))
    raw = values.tobytes()
    index = np.array([[128, 128], [0, 128]], "<u8").tobytes()
    crc = struct.pack("<I", google_crc32c.value(index))
    (tmp_path / "v/c.0.0").write_bytes(raw[128:] + raw[:128] + index + crc)
    found = open_rows(tmp_path / "v")
    assert not isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found[:], values)
