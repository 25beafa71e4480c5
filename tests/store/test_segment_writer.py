"""Segments as they are written: rotation, threads, full disks."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from sesstore.errors import InputError, StorageFullError
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store
from sesstore.store.integrity import verify
from sesstore.store.segment_writer import PendingSegment
from sesstore.store.shards import ShardWriter


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
