"""Which names a store gives, and which are no part of it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import zarr

from sesstore.errors import CorruptStoreError, InputError, StoreFormatError
from sesstore.store import layout

SEGMENT = "20261127T000000000000-0000000000000000"
ENCODER = "x-0123456789ab"


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("proteins.lmdb", True),
        ("share/index.json", True),
        (f"embeddings/{ENCODER}/{SEGMENT}", True),
        (f"embeddings/{ENCODER}/notes", False),
        (f"embeddings/{ENCODER}/{SEGMENT}x", False),
        (f"embeddings/x/{SEGMENT}", False),
        (f"embeddings/x-0123456789AB/{SEGMENT}", False),
        (f"embeddings/{'x' * 100}-0123456789ab/{SEGMENT}", True),
        (f"embeddings/{'x' * 101}-0123456789ab/{SEGMENT}", False),
        ("tokens/pdb.lmdb", True),
        ("tokens/pdb.jsonl", False),
        ("tokens/p d b.lmdb", False),
        ("tokens/.pdb.lmdb", False),
        ("tasks/ec.jsonl", True),
        ("tasks/ec.lmdb", False),
        ("alphabets/mine.toml", True),
        ("notes/ec.jsonl", False),
        ("share/other.json", False),
        ("other.lmdb", False),
    ],
)
def test_what_is_part_of_a_store(path: str, known: bool) -> None:
    assert layout.is_object(tuple(path.split("/"))) is known


@pytest.mark.parametrize(
    ("name", "unfinished"),
    [
        (f".{SEGMENT}", True),
        (f".pull-{SEGMENT}", True),
        (f".gone-{SEGMENT}-0123abcd", True),
        (SEGMENT, False),
        (f".other-{SEGMENT}", False),
        (".ec.jsonl.0123456789ab", True),
        (".ec.jsonl.0123456789ab-lock", True),
        (".ec.jsonl.0123456789", False),
        (".0123456789ab.pdb.lmdb", True),
        (".DS_Store", False),
    ],
)
def test_what_is_not_committed(name: str, unfinished: bool) -> None:
    assert layout.is_unfinished(name) is unfinished


@pytest.mark.parametrize("name", ["a", "a" * 128, "A.b_c+d-e", "9"])
def test_names_that_files_may_have(name: str) -> None:
    assert layout.check_name("task", name) == name


@pytest.mark.parametrize("name", ["", "a" * 129, ".a", "-a", "a b", "a/b", "\u00e9"])
def test_names_that_they_may_not_have(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a task"):
        layout.check_name("task", name)


def test_folders_and_files_are_told_apart(tmp_path) -> None:
    for name in ("b", "a", ".c", "d e"):
        (tmp_path / name).mkdir()
    for name in ("y.lmdb", "x.lmdb", "x.jsonl", ".z.lmdb"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert [path.name for path in layout.committed(tmp_path)] == ["a", "b"]
    assert [path.name for path in layout.documents(tmp_path, ".lmdb")] == ["x.lmdb", "y.lmdb"]
    assert layout.committed(tmp_path / "none") == []


def test_the_folder_of_an_encoder_is_named_for_it(kit) -> None:
    provenance = kit.provenance()
    fingerprint = provenance.fingerprint

    def folder(**change: str) -> str:
        changed = replace(fingerprint, **change)
        name = layout.encoder_folder(replace(provenance, fingerprint=changed))
        assert name.endswith(f"-{changed.short}")
        return name.removesuffix(f"-{changed.short}")

    assert folder(encoder="hf:my/model v2") == "hf_my_model_v2"
    assert folder(encoder=".x") == "x"
    assert folder(encoder="x" * 101) == "x" * 100
    assert folder(encoder="x" * 101, reduction="mean") == f"{'x' * 90}.mean"


def test_ids_of_segments_are_new_and_may_keep_a_place() -> None:
    first, second = layout.new_segment_id(), layout.new_segment_id()
    assert layout.is_segment_id(first)
    assert first != second
    assert layout.new_segment_id(first).split("-")[0] == first.split("-")[0]
    assert layout.new_segment_id(first) != first


@pytest.mark.parametrize(
    ("dim", "itemsize", "rows"),
    [
        (1280, 2, 51 * 1024),  # 51.2 steps of 1,024 rows, 40 pages each, fit into 128 MiB
        (1, 1, 2048 * 65536),  # a step is a page
        (33, 2, 62 * 32 * 1024),  # 67,584 bytes in 1,024 rows: 32 times that are whole pages
        (1 << 17, 4, 1024),  # a step is larger than a shard: one all the same
    ],
)
def test_rows_of_a_shard_by_hand(dim: int, itemsize: int, rows: int) -> None:
    assert layout.shard_rows(dim, itemsize) == rows


def test_a_new_id_is_the_time_in_greenwich(monkeypatch) -> None:
    """Segments of writers in several time zones sort by when they were committed."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        before, name, after = (
            f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}",
            layout.new_segment_id(),
            f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}",
        )
    finally:
        monkeypatch.undo()
        time.tzset()
    assert before <= name.split("-")[0] <= after


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"{}",
        b'{"attributes": 7}',
        b'{"attributes": {"sesstore": []}}',
        b"[" * 100_000,
        layout.group_metadata({"a": 1}) + b"\n",
        layout.group_metadata({"a": 1}).replace(b'"a": 1', b'"a": 2'),
        layout.group_metadata({"a": 1}).replace(b"group", b"array"),
    ],
    ids=range(11),
)
def test_metadata_that_were_not_written_so_are_said_with_their_place(tmp_path, raw: bytes) -> None:
    (tmp_path / "zarr.json").write_bytes(raw)
    with pytest.raises(CorruptStoreError, match=f"^{tmp_path}/zarr.json is not what was written"):
        layout.read_group(tmp_path / "zarr.json")


def test_metadata_hold_the_hash_of_their_attributes() -> None:
    seal = sha256(b'{"a":1,"b":[2]}').hexdigest()
    for attributes in ({"b": [2], "a": 1}, {"b": [2], "a": 1, "sha256": "another"}):
        raw = layout.group_metadata(attributes)
        document = json.loads(raw)
        assert document["attributes"] == {"sesstore": {"a": 1, "b": [2], "sha256": seal}}
        assert (document["node_type"], document["zarr_format"]) == ("group", 3)
        assert layout.parse_group(raw, "x") == {"a": 1, "b": [2]}


def test_arrays_are_zarrs_whatever_their_type(tmp_path) -> None:
    """Read by zarr-python: type, order of bytes, and what stands where nothing was written."""
    for dtype in ("uint8", "int8", "int64", "float16", "float32"):
        folder = tmp_path / dtype
        folder.mkdir()
        values = np.array([[1, 2, 3], [4, 5, 100]], dtype)
        (folder / "zarr.json").write_bytes(layout.array_metadata(values.shape, dtype))
        (folder / "c.0.0").write_bytes(values.astype(values.dtype.newbyteorder("<")).tobytes())
        array = zarr.open_array(folder, mode="r")
        assert array.dtype == np.dtype(dtype)
        assert array.fill_value == 0
        np.testing.assert_array_equal(array[...], values)


def test_a_group_is_made_once_and_in_a_folder_of_other_making_too(tmp_path) -> None:
    folder, handles = tmp_path / "above" / "group", len(os.listdir("/proc/self/fd"))
    layout.make_group(folder, {"kind": "first"})
    layout.make_group(folder, {"kind": "second"})
    assert layout.read_group(folder / "zarr.json") == {"kind": "first"}
    (tmp_path / "mkdir").mkdir()
    (tmp_path / "mkdir" / "note").write_text("mine")
    layout.make_group(tmp_path / "mkdir", {"kind": "third"})
    assert layout.read_group(tmp_path / "mkdir" / "zarr.json") == {"kind": "third"}
    assert (tmp_path / "mkdir" / "note").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError):
        layout.make_group(tmp_path / "file", {})
    names = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*"))
    made = ["above", "above/group", "above/group/zarr.json", "file", "mkdir", "mkdir/note"]
    assert names == [*made, "mkdir/zarr.json"]
    assert len(os.listdir("/proc/self/fd")) == handles


@pytest.mark.parametrize("attributes", [{"format": 2}, {"format": "1"}, {}])
def test_only_its_own_format_is_read(attributes) -> None:
    layout.check_format({"format": 1}, Path("here"))
    written = attributes.get("format")
    with pytest.raises(StoreFormatError, match=f"^here is a store of format {written}; .*format 1"):
        layout.check_format(attributes, Path("here"))


def test_encoders_and_segments_are_listed_by_name_without_what_lies_beside(tmp_path) -> None:
    later = SEGMENT.replace("2026", "2027")
    for name in (ENCODER, f"a{ENCODER}", "notes", f"{ENCODER} copy"):
        for inner in (later, SEGMENT, f".{SEGMENT}", "notes"):
            (tmp_path / "embeddings" / name / inner).mkdir(parents=True)
    encoders = layout.encoder_folders(tmp_path)
    assert [folder.name for folder in encoders] == [f"a{ENCODER}", ENCODER]
    assert layout.segment_folders(encoders[1]) == [encoders[1] / SEGMENT, encoders[1] / later]


@pytest.mark.parametrize(
    ("place", "known"),
    [
        ("store/proteins.lmdb", True),
        ("store/tokens/proteins.lmdb", False),
        ("store/tokens/pdb.lmdb", False),
        ("tokens/proteins.lmdb", True),  # of a store that is called so
    ],
)
def test_the_database_of_proteins_is_known_by_its_place(tmp_path, place: str, known: bool) -> None:
    (tmp_path / "store" / "embeddings").mkdir(parents=True)
    assert layout.holds_proteins(tmp_path / place) is known


LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


@pytest.mark.parametrize(
    ("dtype", "codec", "fill"),
    [
        ("uint8", {"name": "bytes"}, "0"),
        ("int8", {"name": "bytes"}, "0"),
        ("int64", LITTLE, "0"),
        ("float16", LITTLE, "0.0"),
        ("float32", LITTLE, "0.0"),
    ],
)
def test_metadata_of_arrays_stay_byte_for_byte(dtype: str, codec: dict, fill: str) -> None:
    """`verify` holds those of stores of before against them."""
    expected = {
        "attributes": {},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [7, 3]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "codecs": [codec], "data_type": dtype, "fill_value": json.loads(fill),
        "node_type": "array", "shape": [7, 3], "zarr_format": 3,
    }  # fmt: skip
    text = json.dumps(expected, indent=1, sort_keys=True) + "\n"
    assert f'"fill_value": {fill},' in text
    assert layout.array_metadata((7, 3), dtype).decode() == text
    if dtype in ("uint8", "int64"):
        return
    shards = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [2, 3], "codecs": [codec], "index_codecs": [LITTLE, {"name": "crc32c"}],
            "index_location": "end",
        },
    }  # fmt: skip
    expected["codecs"] = [shards]
    expected["chunk_grid"]["configuration"]["chunk_shape"] = [4, 3]
    text = json.dumps(expected, indent=1, sort_keys=True) + "\n"
    assert layout.sharded_metadata((7, 3), dtype, 4, 2).decode() == text
