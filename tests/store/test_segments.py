from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError
from sesstore.store import layout
from sesstore.store.segments import Segment, read_array
from sesstore.store.shards import ShardWriter, open_rows


def tensorstore_read(folder: Path) -> np.ndarray:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(folder)}}
    return tensorstore.open(spec).result().read().result()


@settings(max_examples=settings.default.max_examples * 2 // 5)
@given(
    pieces=st.lists(st.integers(1, 70), min_size=1, max_size=12),
    dim=st.integers(1, 9),
    dtype=st.sampled_from(["float16", "float32", "int8"]),
    chunk=st.sampled_from([4, 16]),
)
def test_any_rows_come_back_by_three_readers(tmp_path_factory, pieces, dim, dtype, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "CHUNK_ROWS", chunk)
        patch.setattr(layout, "SHARD_BYTES", 1)
        patch.setattr(layout, "PAGE", 64)
        rng = np.random.default_rng(len(pieces))
        parts = [(100 * rng.standard_normal((n, dim))).astype(dtype) for n in pieces]
        folder = tmp_path_factory.mktemp("rows") / "values"
        writer = ShardWriter(folder, dtype, dim)
        for part in parts:
            writer.append(part)
        writer.finish()
        expected = np.concatenate(parts)
        np.testing.assert_array_equal(np.asarray(open_rows(folder)[:]), expected)
        np.testing.assert_array_equal(zarr.open(folder)[:], expected)
        np.testing.assert_array_equal(tensorstore_read(folder), expected)


def test_mapping_outlives_its_files(tmp_path):
    writer = ShardWriter(tmp_path / "values", "float32", 3)
    writer.append(np.arange(30, dtype=np.float32).reshape(10, 3))
    writer.finish()
    part = open_rows(tmp_path / "values")[4:6]
    for file in (tmp_path / "values").iterdir():
        file.unlink()
    np.testing.assert_array_equal(part, [[12, 13, 14], [15, 16, 17]])


@pytest.mark.parametrize(
    "kwargs",
    [
        {"compressors": "auto"},
        {"compressors": "auto", "shards": (32, 3)},
        {"compressors": None, "shards": (32, 3)},
        {"compressors": None},
    ],
)
def test_arrays_of_other_making_are_read_all_the_same(tmp_path, kwargs):
    values = np.random.default_rng(0).standard_normal((100, 3)).astype(np.float16)
    array = zarr.create_array(
        tmp_path / "v", shape=values.shape, dtype="float16", chunks=(16, 3), **kwargs
    )
    array[:] = values
    np.testing.assert_array_equal(np.asarray(open_rows(tmp_path / "v")[:]), values)
    np.testing.assert_array_equal(read_array(tmp_path / "v"), values)


def test_zarr_and_tensorstore_read_a_whole_store(filled, kit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open(str(filled.store.path), mode="r")
        for made in filled.provenances:
            view = filled.store.embeddings(made.fingerprint)
            for number, segment in enumerate(view.segments):
                group = root["embeddings"][view.folder.name][segment.id]
                np.testing.assert_array_equal(group["values"][:], view.values(number))
                np.testing.assert_array_equal(group["digests"][:], segment.digests)
                np.testing.assert_array_equal(group["offsets"][:], segment.offsets)
                for name in ("values", "digests", "offsets"):
                    np.testing.assert_array_equal(
                        tensorstore_read(segment.path / name), group[name][:]
                    )
                assert group.attrs["sesstore"]["provenance"] == made.to_json()
                assert "date" in group.attrs["sesstore"]["circumstances"]
    assert root.attrs["sesstore"]["format"] == 1


def test_a_broken_segment_says_what_to_do(filled):
    path = filled.store.embeddings("enc_float16").segments[0].path
    (path / "offsets/c.0").unlink()
    with pytest.raises(CorruptStoreError, match="sesstore verify"):
        Segment(path).offsets  # noqa: B018
