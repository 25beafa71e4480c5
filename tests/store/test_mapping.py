"""Mapped arrays."""

import numpy as np
import zarr

from sesstore.store import layout
from sesstore.store.shards import ShardWriter, open_rows


def test_several_shards_are_one_mapped_array(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "SHARD_BYTES", 1 << 16)
    values = np.random.default_rng(0).standard_normal((5000, 32)).astype(np.float16)
    writer = ShardWriter(tmp_path / "values", "float16", 32)
    for start in range(0, 5000, 700):
        writer.append(values[start : start + 700])
    writer.finish()
    assert len(list((tmp_path / "values").glob("c.*"))) == 5
    mapped = open_rows(tmp_path / "values")
    assert isinstance(mapped, np.ndarray)
    assert mapped.flags.c_contiguous
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, values)
    np.testing.assert_array_equal(zarr.open(tmp_path / "values")[:], values)
