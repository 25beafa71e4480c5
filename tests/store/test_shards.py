"""Shards of values: sizes, order, mapping."""

from __future__ import annotations

import os
import struct
from hashlib import sha256
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from sesstore.store import layout, shards
from sesstore.store.shards import ShardWriter, checksums_of, open_rows


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
    layout_json = layout.parse((tmp_path / "v/zarr.json").read_bytes())
    layout_json["codecs"][0]["configuration"]["chunk_shape"] = [16, 2]
    (tmp_path / "v/zarr.json").write_bytes(layout.document(layout_json))
    raw = values.tobytes()
    index = np.array([[128, 128], [0, 128]], "<u8").tobytes()
    crc = struct.pack("<I", google_crc32c.value(index))
    (tmp_path / "v/c.0.0").write_bytes(raw[128:] + raw[:128] + index + crc)
    found = open_rows(tmp_path / "v")
    assert not isinstance(found, np.ndarray)
    assert found.read_only
    np.testing.assert_array_equal(found[:], values)


@pytest.fixture
def small(monkeypatch):
    """Shards of 64 rows of four float16, in chunks of 16."""
    monkeypatch.setattr(layout, "CHUNK_ROWS", 16)
    monkeypatch.setattr(layout, "SHARD_BYTES", 64 * 8)
    monkeypatch.setattr(layout, "PAGE", 128)


def sums(path: Path) -> dict[str, object]:
    raw = path.read_bytes()
    crc = f"{google_crc32c.value(raw):08x}"
    return {"bytes": len(raw), "crc32c": crc, "sha256": sha256(raw).hexdigest()}


@pytest.mark.parametrize("count", [1, 15, 16, 17, 63, 64, 65, 128, 130])
def test_files_are_rows_then_their_index(tmp_path, small, count):
    """By the specification of Zarr's ``sharding_indexed``, and with the sums that are told."""
    values = np.arange(count * 4, dtype=np.float16).reshape(count, 4)
    before = len(os.listdir("/proc/self/fd"))
    writer = ShardWriter(tmp_path / "v", "float16", 4)
    writer.append(values[:1])
    writer.append(values[1:].astype(">f2"))
    assert (writer.rows, writer.bytes) == (count, count * 8)
    writer.finish()
    writer.abort()
    assert len(os.listdir("/proc/self/fd")) == before
    files = {path.name: path for path in (tmp_path / "v").iterdir()}
    assert {name: sums(path) for name, path in files.items()} == writer.checksums
    assert len(files) == 1 + -(-count // 64)
    metadata = layout.parse(files["zarr.json"].read_bytes())
    (rows, _) = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    (chunk, _) = metadata["codecs"][0]["configuration"]["chunk_shape"]
    assert (chunk, rows) == (min(16, count), 64 if count > 64 else -(-count // chunk) * chunk)
    for number in range(-(-count // 64)):
        part = values[64 * number : 64 * (number + 1)]
        chunks = -(-len(part) // chunk)
        data = part.tobytes().ljust(chunks * chunk * 8, b"\0")
        index = b"".join(struct.pack("<QQ", n * chunk * 8, chunk * 8) for n in range(chunks))
        index += b"\xff" * (16 * (rows // chunk - chunks))
        index += struct.pack("<I", google_crc32c.value(index))
        assert files[f"c.{number}.0"].read_bytes() == data + index


@pytest.mark.parametrize("zeros", [1, 5, 7, 1 << 20])
def test_the_last_chunk_is_filled_up_to_the_byte(tmp_path, small, monkeypatch, zeros):
    """Whatever is missing, and however much of it is written at once."""
    monkeypatch.setattr(shards, "_ZEROS", bytes(zeros))
    for count in (17, 18, 27, 31, 32):
        writer = ShardWriter(tmp_path / str(count), "int8", 1)
        writer.append(np.ones((count, 1), np.int8))
        writer.finish()
        raw = (tmp_path / str(count) / "c.0.0").read_bytes()
        assert raw[:32] == bytes([1] * count + [0] * (32 - count))
        assert len(raw) == 32 + 2 * 16 + 4


def test_a_writer_that_gives_up_closes_its_file(tmp_path, small):
    before = len(os.listdir("/proc/self/fd"))
    writer = ShardWriter(tmp_path / "v", "int8", 3)
    writer.abort()
    writer.append(np.ones((5, 3), np.int8))
    assert len(os.listdir("/proc/self/fd")) == before + 1
    writer.abort()
    writer.abort()
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(FileExistsError):
        ShardWriter(tmp_path / "v", "int8", 3)
    assert checksums_of(b"") == {"bytes": 0, "crc32c": "00000000", "sha256": sha256().hexdigest()}


def test_what_is_not_as_its_index_says_is_left_to_zarr(tmp_path, small):
    """A wrong index, one cut off, or shards that are no whole pages: their bytes are not mapped."""
    values = np.arange(400, dtype=np.float16).reshape(100, 4)
    writer = ShardWriter(tmp_path / "v", "float16", 4)
    writer.append(values)
    writer.finish()
    several = open_rows(tmp_path / "v")
    assert not isinstance(several, np.ndarray)  # 512 bytes are no page of memory
    np.testing.assert_array_equal(several[:], values)
    for name in ("c.0.0", "c.1.0"):
        (tmp_path / "v" / name).rename(tmp_path / name)
    assert not isinstance(open_rows(tmp_path / "v"), np.ndarray)
    alone = ShardWriter(tmp_path / "w", "float16", 4)
    alone.append(values[:20])
    alone.finish()
    assert isinstance(open_rows(tmp_path / "w"), np.ndarray)
    path = tmp_path / "w/c.0.0"
    raw = path.read_bytes()
    assert len(raw) == 2 * 16 * 8 + 2 * 16 + 4
    for wrong in (raw[:-1], raw[:-1] + bytes([raw[-1] ^ 1]), raw[1:], raw[:100]):
        path.write_bytes(wrong)
        assert not isinstance(open_rows(tmp_path / "w"), np.ndarray)
    path.write_bytes(b"more" * 4 + raw)  # rows do not begin where the file does: zarr's to judge
    mapped = open_rows(tmp_path / "w")
    assert not isinstance(mapped, np.ndarray) or (mapped[:] != values[:20]).any()


def test_arrays_of_one_axis_and_of_no_rows_open_too(tmp_path):
    numbers = np.arange(50, dtype=np.int64)
    (tmp_path / "n").mkdir()
    (tmp_path / "n/c.0").write_bytes(numbers.tobytes())
    (tmp_path / "n/zarr.json").write_bytes(layout.array_metadata((50,), "int64"))
    mapped = open_rows(tmp_path / "n")
    assert isinstance(mapped, np.ndarray)
    assert mapped.shape == (50,)
    np.testing.assert_array_equal(mapped, numbers)
    (tmp_path / "n/c.0").write_bytes(numbers.tobytes() + b"12345678")
    assert not isinstance(open_rows(tmp_path / "n"), np.ndarray)
    (tmp_path / "e").mkdir()
    (tmp_path / "e/zarr.json").write_bytes(layout.sharded_metadata((0, 3), "float32", 8, 8))
    empty = open_rows(tmp_path / "e")
    assert (empty.shape, empty.dtype) == ((0, 3), np.float32)
