"""What a writer leaves on disk, and what it holds while it writes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import FingerprintMismatchError, InputError
from sesstore.residues import Embedding
from sesstore.store import Store, segment_writer
from sesstore.store.manifest import counts_of
from sesstore.store.segment_writer import PendingSegment, SegmentWriter, check_same_storage
from sesstore.store.write_locks import hold


def rows(number: int, count: int = 5) -> Embedding:
    """An embedding of six columns with a digest of its own."""
    return Embedding(bytes([number]) * 32, np.full((count, 6), number, np.float16))


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "s")


@pytest.mark.parametrize(("size", "segments"), [(120, [2, 2, 1]), (121, [3, 2]), (1, [1] * 5)])
def test_a_segment_ends_as_soon_as_it_is_as_large(store, kit, size, segments):
    """Of five proteins of 60 bytes each."""
    with store.writer(kit.provenance(), {}, segment_bytes=size) as writer:
        for number in range(5):
            writer.add(rows(number))
        assert len(writer.committed) == sum(n * 60 >= size for n in segments)
    assert [len(s.digests) for s in store.embeddings().segments] == segments


def test_a_segment_says_what_is_in_it_and_where_it_comes_from(store, kit, monkeypatch):
    made, clock = kit.provenance(dtype="int8"), [100.0]
    monkeypatch.setattr(segment_writer.time, "monotonic", lambda: clock[0])
    writer = store.writer(made, {"date": "2026-01-01"})
    clock[0] = 150.0  # nothing is written before the first embedding
    assert not writer.folder.exists()
    known = kit.proteins(3)
    for protein in known:
        writer.add(kit.embedding(protein, made))
    clock[0] = 157.25
    name = writer.roll()
    assert writer.committed == [name]
    assert writer.commit() is None
    (segment,) = store.embeddings().segments
    counts = {"proteins": 3, "residues": sum(map(len, known))}
    assert segment.id == name
    assert segment.attributes == {
        "kind": "segment",
        "provenance": made.to_json(),
        "circumstances": {"date": "2026-01-01"},
        **counts,
        "seconds": 7.25,
    }
    assert counts_of(segment.path) == counts
    assert [row.tobytes() for row in segment.digests] == [p.digest for p in known]
    assert segment.offsets.tolist() == [0, *np.cumsum([len(p) for p in known])]
    scales = np.concatenate([kit.embedding(p, made).scales for p in known])
    np.testing.assert_array_equal(segment.scales, scales)


def test_what_is_pending_is_locked_and_nothing_stays_open(store, kit):
    before = handles()
    writer = store.writer(kit.provenance(), {})
    for number, end in enumerate((writer.commit, writer.abort, writer.commit)):
        writer.add(rows(number))
        (pending,) = writer.folder.glob(".2*")
        assert hold(pending) is None
        end()
        assert handles() == before
        assert not list(writer.folder.glob(".*"))
    assert len(store.embeddings().segments) == 2


def test_a_segment_that_cannot_be_begun_leaves_nothing(store, kit, monkeypatch):
    before = handles()

    def broken(*_):
        raise RuntimeError("no")

    writer = store.writer(kit.provenance(), {})
    with monkeypatch.context() as patch:
        patch.setattr(segment_writer, "ShardWriter", broken)
        with pytest.raises(RuntimeError):
            writer.add(rows(1))
    assert handles() == before
    assert [p.name for p in writer.folder.iterdir()] == ["zarr.json"]
    writer.add(rows(1))
    assert writer.commit()
    assert len(store.embeddings()) == 1


def test_new_segments_take_the_place_in_time_they_are_given(store, kit):
    made, place = kit.provenance(), "20010203T040506000007-00000000deadbeef"
    folder = store.writer(made, {}).folder
    with SegmentWriter(folder, made, {}, segment_bytes=1, place=place) as writer:
        writer.add(rows(1))
        writer.add(rows(2))
    assert len(set(writer.committed)) == 2
    assert {name.split("-")[0] for name in writer.committed} == {"20010203T040506000007"}
    assert place not in writer.committed


def test_pending_segments_are_committed_by_name(store, kit):
    """Of a protein that stands in two of them the first by name counts."""
    made = kit.provenance()
    writer = store.writer(made, {})
    writer.add(rows(1))
    final = [writer.folder / f"2026010{n}T000000000000-{'0' * 16}" for n in (3, 1, 2)]
    for number, path in enumerate(final, 2):
        segment = PendingSegment(path, made, {})
        segment.append(rows(number))
        writer._open.append(segment)
    last = writer.commit()
    assert writer.committed == [*sorted(path.name for path in final), last]


def test_only_what_may_stand_side_by_side_is_written(store, kit):
    made = kit.provenance()
    check_same_storage(made, made)
    with pytest.raises(InputError, match=r"'float64' is none of float16, .*--dtype"):
        check_same_storage(made, replace(made, dtype="float64"))
    with pytest.raises(FingerprintMismatchError, match="layer"):
        check_same_storage(made, kit.provenance(layer=7))
    for other, said in (
        (replace(made, dtype="int8"), "by enc as float16 with 6 columns, these are int8 with 6"),
        (replace(made, dim=7), "as float16 with 6 columns, these are float16 with 7. .*as float16"),
    ):
        with pytest.raises(FingerprintMismatchError, match=said):
            check_same_storage(made, other)
    early = [store.writer(p, {}) for p in (made, replace(made, dtype="float32"))]
    early[0].add(rows(1))
    wide = Embedding(bytes(32), np.ones((2, 6), np.float32))
    with pytest.raises(FingerprintMismatchError):  # the folder has come since it was opened
        early[1].add(wide)
    with pytest.raises(FingerprintMismatchError):
        store.writer(replace(made, dtype="float32"), {})
    assert early[0].commit()
    assert [p.name for p in early[0].folder.glob(".*")] == []
