"""Errors of the writing threads reach whoever hands embeddings over, those of the last one too."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from sesstore.errors import InputError, StorageFullError
from sesstore.jobs.embedding import background_writer
from sesstore.jobs.embedding.background_writer import BackgroundWriter, cast
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding, as_type
from sesstore.store import Store
from sesstore.store.integrity import verify
from sesstore.store.segment_writer import PendingSegment, SegmentWriter

DIM = 3


def embeddings(count: int, dim: int = DIM) -> list[Embedding]:
    rng = np.random.default_rng(0)
    proteins = [Protein("", "ACDEF"[: 1 + i % 5] + "G" * i) for i in range(count)]
    return [
        Embedding(p.digest, rng.standard_normal((len(p), dim)).astype(np.float32)) for p in proteins
    ]


@pytest.fixture
def writer(store: Store):
    fingerprint = Fingerprint("enc", "ab" * 32, 6, "esm1b", "whole", "fp32")
    return store.writer(Provenance(fingerprint, DIM, "float16"), {})


WIDE = embeddings(1, DIM + 1)[0]


def write(writer: SegmentWriter, items: list[Embedding], then: type[Exception] | None = None):
    with writer as segment, BackgroundWriter(segment, "float16") as background:
        for one in items:
            background.write(one)
        if then is not None:
            raise then


def test_all_that_is_handed_over_is_cast_and_written(store: Store, writer) -> None:
    items = embeddings(100)
    write(writer, items)
    view = store.embeddings()
    assert len(view) == 100
    for one in items:
        np.testing.assert_array_equal(view.get(one.digest), one.values.astype(np.float16))


def test_an_error_of_the_last_write_surfaces_at_the_end(store: Store, writer) -> None:
    with pytest.raises(InputError):
        write(writer, [*embeddings(3), WIDE])


def test_what_the_caller_raises_is_what_is_said(writer) -> None:
    with pytest.raises(ZeroDivisionError):
        write(writer, [WIDE], ZeroDivisionError)


def test_an_error_surfaces_when_flushed_and_in_the_next_call(writer) -> None:
    with writer as segment:
        background = BackgroundWriter(segment, "float16").__enter__()
        background.write(WIDE)
        for call in (background.flush, lambda: background.write(WIDE)):
            with pytest.raises(InputError):
                call()
        with pytest.raises(InputError):
            background.__exit__(None)


def test_after_an_error_nobody_is_left_waiting(writer) -> None:
    """More embeddings than the queue holds."""
    with pytest.raises(InputError):
        write(writer, [WIDE, *embeddings(300)])


def test_flushing_waits_until_all_is_written(store: Store, writer) -> None:
    with writer as segment, BackgroundWriter(segment, "float16") as background:
        for one in embeddings(50):
            background.write(one)
        background.flush()
        segment.commit()
        assert len(store.embeddings()) == 50


def unfinished(store: Store) -> list[str]:
    return [path.name for path in store.path.rglob(".*") if path.is_dir()]


def test_threads_that_are_behind_write_a_segment_each(store, writer, monkeypatch) -> None:
    together, whole = threading.Barrier(2), PendingSegment.append
    first = threading.local()

    def append(self: PendingSegment, embedding: Embedding) -> None:
        if not hasattr(first, "passed"):
            first.passed = True
            together.wait(30)  # two threads are inside at once, or this breaks
        whole(self, embedding)

    monkeypatch.setattr(PendingSegment, "append", append)
    monkeypatch.setattr(background_writer, "WAITING_BYTES", 1 << 9)
    items = embeddings(60)
    with writer as segment, BackgroundWriter(segment, "float16", threads=2) as background:
        for one in [*items, *items]:
            background.write(one)
    view = store.embeddings()
    assert (len(view.segments), len(view)) == (2, 60)
    assert sorted(writer.committed) == writer.committed == [s.id for s in view.segments]
    assert sum(len(s.digests) for s in view.segments) == 60  # repeats were left out
    for one in items:
        np.testing.assert_array_equal(view.get(one.digest), one.values.astype(np.float16))
    assert verify(store.path).ok
    assert unfinished(store) == []


def test_an_encoder_that_is_slower_gets_one_segment(store, writer) -> None:
    with writer as segment, BackgroundWriter(segment, "float16", threads=4) as background:
        for one in embeddings(40):
            background.write(one)
        assert [t.name for t in threading.enumerate() if "sesstore-writer" in t.name] == [
            "sesstore-writer-0"
        ]
    assert len(store.embeddings().segments) == 1


def test_what_waits_is_bounded(writer, monkeypatch) -> None:
    items = embeddings(100)
    monkeypatch.setattr(background_writer, "WAITING_BYTES", 5 * items[50].values.nbytes)
    go, whole, handed = threading.Event(), PendingSegment.append, []

    def append(self: PendingSegment, embedding: Embedding) -> None:
        go.wait(30)
        whole(self, embedding)

    monkeypatch.setattr(PendingSegment, "append", append)

    def hand_over() -> None:
        with writer as segment, BackgroundWriter(segment, "float16", threads=2) as background:
            for one in items:
                background.write(one)
                handed.append(one)

    thread = threading.Thread(target=hand_over)
    thread.start()
    waiting = -1
    while waiting != len(handed):  # until nobody moves
        waiting = len(handed)
        time.sleep(0.2)
    go.set()
    thread.join()
    held = sum(one.values.nbytes for one in handed[:waiting])
    assert held < background_writer.WAITING_BYTES + items[-1].values.nbytes
    assert len(handed) == 100


def test_an_error_of_one_thread_ends_all_and_leaves_nothing(store, writer, monkeypatch) -> None:
    monkeypatch.setattr(background_writer, "WAITING_BYTES", 200)
    whole, count = PendingSegment.append, iter(range(1000))

    def append(self: PendingSegment, embedding: Embedding) -> None:
        time.sleep(0.002)
        if next(count) == 20:
            raise StorageFullError("no space left")
        whole(self, embedding)

    monkeypatch.setattr(PendingSegment, "append", append)
    with pytest.raises(StorageFullError):
        write(writer, embeddings(100))
    assert next(count) > 20
    assert not [t for t in threading.enumerate() if "sesstore-writer" in t.name]
    assert unfinished(store) == []
    assert len(store.embeddings()) == 0


def test_a_cast_gives_the_bits_that_numpy_gives() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    floats = halves.astype(np.float32)
    with np.errstate(over="ignore"):
        between = (floats[:, None] * np.float32([1, 1 + 2**-11, 1 - 2**-12, 2**-9])).reshape(-1, 4)
    between = np.concatenate([between, np.float32([[65519, 65520, -65520, 1e30]])])
    for values in (between, between.T, between[:, ::-2], np.repeat(between, 3, 0)[:, :1]):
        for dtype in ("float16", "float32"):
            expected = as_type(np.ascontiguousarray(values), dtype)
            same = np.ascontiguousarray(cast(values, dtype))
            np.testing.assert_array_equal(same.view("u1"), expected.view("u1"))
    np.testing.assert_array_equal(cast(halves, "float32"), floats)


def test_a_cast_leaves_alone_what_is_of_the_type_and_what_may_not_be_written() -> None:
    values = np.ones((3, 4), np.float32)
    assert cast(values, "float32") is values
    values.flags.writeable = False
    assert cast(values, "float16").flags.writeable
