from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError, StoreAccessError
from sesstore.store import layout
from sesstore.store import segments as module
from sesstore.store.segments import Segment, read_array
from sesstore.store.shards import ShardWriter, open_rows


def tensorstore_read(folder: Path) -> np.ndarray:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(folder)}}
    return tensorstore.open(spec).result().read().result()


@settings(max_examples=settings.default.max_examples // 5)
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
        {"compressors": None, "serializer": zarr.codecs.BytesCodec(endian="big")},
        {
            "compressors": None,
            "shards": (112, 3),
            "serializer": zarr.codecs.BytesCodec(endian="big"),
        },
        {"compressors": None, "shards": (112, 3)},
        {"compressors": None, "chunk_key_encoding": {"name": "v2", "separator": "."}},
        {"compressors": None, "shards": {"shape": (32, 3), "index_location": "start"}},
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


def test_lists_of_proteins_and_rows_are_what_was_written(template, tmp_path):
    """A wrong offset would give the rows of others."""
    original = template.store.embeddings("enc_int8").segments[0]
    changes = {
        "digests/c.0.0": lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
        "offsets/c.0": lambda raw: raw[:8] + bytes([raw[8] - 1]) + raw[9:],
    }
    for number, (name, change) in enumerate(changes.items()):
        path = tmp_path / str(number)
        shutil.copytree(original.path, path)
        (path / name).write_bytes(change((path / name).read_bytes()))
        segment = Segment(path)
        said = f"segment {path}: {name} is not what was written. Run `sesstore verify`"
        with pytest.raises(CorruptStoreError, match=said):
            getattr(segment, name.split("/", maxsplit=1)[0])
        other = "offsets" if number == 0 else "digests"
        np.testing.assert_array_equal(getattr(segment, other), getattr(original, other))
        for listed in (b"{}", b"[]", b"\xff", b'{"files": 3}', b'{"files": {"%b": 3}}'):
            (path / layout.CHECKSUMS).write_bytes(listed.replace(b"%b", name.encode()))
            assert len(Segment(path).digests) == len(Segment(path).offsets) - 1
        (path / layout.CHECKSUMS).unlink()
        assert len(Segment(path).digests) == len(Segment(path).offsets) - 1
        (path / name).write_bytes((path / name).read_bytes()[:-3])
        with pytest.raises(CorruptStoreError, match="cannot be read"):
            getattr(Segment(path), name.split("/", maxsplit=1)[0])


def test_a_segment_by_another_program_is_read_by_its_metadata(template, tmp_path):
    original = template.store.embeddings("enc_int8").segments[0]
    path = tmp_path / "segment"
    shutil.copytree(original.path, path)
    for name in ("digests", "offsets", "scales"):
        values = getattr(original, name)
        shutil.rmtree(path / name)
        array = zarr.create_array(
            path / name, shape=values.shape, dtype=values.dtype, chunks="auto"
        )
        array[...] = values
    segment = Segment(path)
    for name in ("digests", "offsets", "scales", "values"):
        np.testing.assert_array_equal(getattr(segment, name), getattr(original, name))
    assert template.store.embeddings("enc_float16").segments[0].scales is None
    shutil.rmtree(path / "offsets")
    zarr.create_array(path / "offsets", shape=(2,), dtype="int64")[...] = [0, 5]
    with pytest.raises(CorruptStoreError, match="do not belong together"):
        Segment(path).offsets  # noqa: B018


def test_what_the_system_refuses_is_no_damage_of_a_segment(template, monkeypatch):
    path = template.store.embeddings("enc_int8").segments[0].path

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    for place, name, asked in (
        (module, "_content", "digests"),
        (module, "_content", "offsets"),
        (module, "open_rows", "values"),
        (module, "read_array", "scales"),
        (layout, "read_group", "attributes"),
    ):
        segment = Segment(path)
        if asked == "scales":
            segment.attributes  # noqa: B018
        with monkeypatch.context() as patch:
            patch.setattr(place, name, refused)
            with pytest.raises(StoreAccessError, match="Permission denied"):
                getattr(segment, asked)


def test_reading_a_segment_leaves_nothing_open(template):
    before = len(os.listdir("/proc/self/fd"))
    segment = Segment(template.store.embeddings("enc_int8").segments[0].path)
    assert len(segment.digests) == len(segment.offsets) - 1
    assert len(segment.values) == len(segment.scales) == segment.offsets[-1]
    assert len(os.listdir("/proc/self/fd")) == before
