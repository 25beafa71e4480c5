from __future__ import annotations

import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError, InputError, StorageFullError
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store, layout
from sesstore.store.integrity import verify
from sesstore.store.segment_writer import PendingSegment
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


@pytest.mark.parametrize("dim", [1, 33, 1280, 2561])
@pytest.mark.parametrize("itemsize", [1, 2, 4])
def test_whole_shards_are_whole_pages_near_128_mib(dim, itemsize):
    rows = layout.shard_rows(dim, itemsize)
    assert rows % layout.CHUNK_ROWS == 0
    assert rows * dim * itemsize % layout.PAGE == 0
    assert rows * dim * itemsize < 700 << 20


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


def test_segments_rotate_by_bytes_and_time(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    made = kit.provenance()
    with store.writer(made, {}, segment_bytes=500) as writer:
        for protein in kit.proteins(20):
            writer.add(kit.embedding(protein, made))
    assert len(writer.committed) > 3
    assert len(store.embeddings()) == 20
    other = kit.provenance("other")
    with store.writer(other, {}, segment_seconds=0) as writer:
        for protein in kit.proteins(5):
            writer.add(kit.embedding(protein, other))
    assert len(writer.committed) == 5


def test_an_exception_drops_only_the_segment_in_hand(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    made = kit.provenance()
    known = kit.proteins(4)

    def interrupted():
        with store.writer(made, {}) as writer:
            writer.add(kit.embedding(known[0], made))
            writer.commit()
            writer.add(kit.embedding(known[1], made))
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    view = store.embeddings()
    assert known[0].digest in view
    assert known[1].digest not in view
    assert not [p for p in view.folder.iterdir() if p.name.startswith(".")]


def test_repeats_within_one_writer_are_left_out(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    made = kit.provenance()
    (protein,) = kit.proteins(1)
    with store.writer(made, {}) as writer:
        writer.add(kit.embedding(protein, made))
        writer.add(kit.embedding(protein, made))
        writer.commit()
        writer.add(kit.embedding(protein, made))
    assert writer.commit() is None
    assert [len(s.digests) for s in store.embeddings().segments] == [1]


@pytest.fixture
def side_by_side(monkeypatch):
    """Run some calls in a thread each; they are all within a segment's `append` at once."""
    whole = PendingSegment.append

    def run(*calls):
        together = threading.Barrier(len(calls))

        def append(self, embedding):
            together.wait(30)
            whole(self, embedding)

        monkeypatch.setattr(PendingSegment, "append", append)
        with ThreadPoolExecutor(len(calls)) as pool:
            outcomes = [future.exception() for future in [pool.submit(call) for call in calls]]
        monkeypatch.setattr(PendingSegment, "append", whole)
        return outcomes

    return run


def adding(writer, kit, protein):
    return partial(writer.add, kit.embedding(protein, writer.provenance))


def test_threads_write_a_segment_each(tmp_path, kit, side_by_side):
    store = Store.create(tmp_path / "s")
    known = kit.proteins(12)
    with store.writer(kit.provenance(), {}) as writer:
        for start in range(0, 9, 3):
            side_by_side(*(adding(writer, kit, p) for p in known[start : start + 3]))
        for protein in known[9:]:  # alone: always the same one
            adding(writer, kit, protein)()
            adding(writer, kit, protein)()
    view = store.embeddings()
    assert sorted(len(s.digests) for s in view.segments) == [3, 3, 6]
    assert writer.committed == [s.id for s in view.segments]
    assert len(view) == 12
    assert verify(store.path).ok


def test_a_segment_that_nobody_writes_to_ends_when_it_is_due(tmp_path, kit, side_by_side):
    store = Store.create(tmp_path / "s")
    known = kit.proteins(3)
    with store.writer(kit.provenance(), {}, segment_seconds=0.2) as writer:
        side_by_side(adding(writer, kit, known[0]), adding(writer, kit, known[1]))
        assert writer.committed == []
        time.sleep(0.2)
        adding(writer, kit, known[2])()
        assert len(writer.committed) == 2
        assert len(store.embeddings()) == 3


def test_a_thread_that_fails_drops_its_own_segment(tmp_path, kit, side_by_side, monkeypatch):
    store = Store.create(tmp_path / "s")
    first, second, third = kit.proteins(3)
    with store.writer(kit.provenance(), {}) as writer:
        side_by_side(adding(writer, kit, first), adding(writer, kit, second))
        lost = set(writer._open[-1].digests)
        monkeypatch.setattr(ShardWriter, "append", _always_full)
        with pytest.raises(StorageFullError):
            adding(writer, kit, third)()
        monkeypatch.undo()
        kept = {p.digest for p in (first, second)} - lost
        adding(writer, kit, third)()  # neither it nor what was lost counts as seen
        adding(writer, kit, first if first.digest in lost else second)()
    assert len(kept) == 1
    assert len(store.embeddings()) == 3
    assert verify(store.path).ok


def test_an_exception_drops_the_segments_of_all_threads(tmp_path, kit, side_by_side):
    store = Store.create(tmp_path / "s")
    first, second = kit.proteins(2)

    def interrupted():
        with store.writer(kit.provenance(), {}) as writer:
            side_by_side(adding(writer, kit, first), adding(writer, kit, second))
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    folder = next(store.path.glob("embeddings/*/"))
    assert [p.name for p in folder.iterdir()] == ["zarr.json"]


def test_what_is_full_at_the_end_leaves_nothing_half_written(tmp_path, kit, side_by_side):
    store = Store.create(tmp_path / "s")
    first, second, third = kit.proteins(3)
    writer = store.writer(kit.provenance(), {})
    side_by_side(*(adding(writer, kit, p) for p in (first, second, third)))
    with pytest.MonkeyPatch.context() as patch:
        whole, count = PendingSegment.commit, iter(range(9))
        patch.setattr(
            PendingSegment,
            "commit",
            lambda self: _always_full() if next(count) else whole(self),
        )
        with pytest.raises(StorageFullError):
            writer.commit()
    assert len(store.embeddings()) == len(writer.committed) == 1
    assert not [p for p in store.path.rglob(".*") if p.is_dir()]


@pytest.mark.parametrize(
    "values",
    [np.ones((2, 5), np.float16), np.ones((2, 6), np.float32), np.ones((2, 6), np.float64)],
)
def test_the_wrong_width_or_type_is_refused(tmp_path, kit, values):
    store = Store.create(tmp_path / "s")
    writer = store.writer(kit.provenance(), {})
    with pytest.raises(InputError, match="stored as float16 with 6 columns"):
        writer.add(Embedding(bytes(32), values))


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "mkdir"])
def test_a_full_disk_says_so_and_leaves_nothing(tmp_path, kit, monkeypatch, call):
    import errno
    import os

    store = Store.create(tmp_path / "s")
    made = kit.provenance()
    known = kit.proteins(6)
    with store.writer(made, {}) as writer:
        writer.add(kit.embedding(known[0], made))
    real, count = getattr(os, call), [0]

    def failing(*args, **kwargs):
        count[0] += 1
        if count[0] == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **kwargs)

    before = sorted(p for p in store.path.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing if call != "rename" else _always_full)
        with pytest.raises(StorageFullError, match="free some space"):
            _write_one_by_one(store, known[1:], kit)
    after = sorted(p for p in store.path.rglob("*"))
    assert not [p for p in after if p.name.startswith(".")]
    assert set(before) <= set(after)
    assert known[0].digest in store.embeddings()


def _write_one_by_one(store, proteins, kit):
    made = kit.provenance()
    for protein in proteins:
        with store.writer(made, {}) as writer:
            writer.add(kit.embedding(protein, made))


def _always_full(*args, **kwargs):
    import errno

    raise OSError(errno.ENOSPC, "No space left on device")


def test_other_troubles_are_not_called_a_full_disk(tmp_path, kit, monkeypatch):
    import errno
    import os

    def broken(handle):
        raise OSError(errno.EIO, "Input/output error")

    store = Store.create(tmp_path / "s")
    writer = store.writer(kit.provenance(), {})
    writer.add(kit.embedding(kit.proteins(1)[0], kit.provenance()))
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output") as caught:
        writer.commit()
    assert not isinstance(caught.value, StorageFullError)


def test_a_broken_segment_says_what_to_do(filled):
    path = filled.store.embeddings("enc_float16").segments[0].path
    (path / "offsets/c.0").unlink()
    with pytest.raises(CorruptStoreError, match="sesstore verify"):
        Segment(path).offsets  # noqa: B018


def test_memory_stays_small_however_large_the_segment(tmp_path):
    """Rows go to the file: nothing grows with the segment but digests and offsets."""
    import tracemalloc

    store = Store.create(tmp_path / "s")
    made = Provenance(Fingerprint("e", "0" * 64, 0, "", "", "fp32"), 1024)
    values = np.ones((500, 1024), np.float16)
    with store.writer(made, {}) as writer:
        writer.add(Embedding(bytes(32), values))
        tracemalloc.start()
        for number in range(1, 60):
            writer.add(Embedding(number.to_bytes(32), values))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4 << 20
    assert len(store.embeddings().segments) == 1
