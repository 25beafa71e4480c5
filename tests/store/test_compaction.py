from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError, StoreError
from sesstore.jobs.embedding.status import status
from sesstore.store import Store, compaction, embeddings
from sesstore.store.compaction import compact, gc
from sesstore.store.integrity import verify
from sesstore.store.summary import summarise

from .conftest import content


def test_what_others_put_into_a_segment_is_kept(filled):
    """Files of file managers go; a note that somebody left there does not."""
    root = filled.store.path
    segment = filled.store.embeddings("enc_int8").segments[0].path
    (segment / "values/notes.txt").write_text("mine")
    (segment / ".DS_Store").write_bytes(b"Finder's")
    report = compact(filled.store)
    assert report.set_aside == [f"set-aside/{segment.name}/values/notes.txt"]
    assert (root / report.set_aside[0]).read_text() == "mine"
    assert not segment.exists()
    assert not list(root.rglob(".DS_Store"))
    assert verify(root).ok


def test_what_others_put_into_a_segment_is_not_lost_where_it_cannot_be_kept(filled):
    """A file stands where it should go: the segment stays as it was, and `gc` takes nothing."""
    root = filled.store.path
    note = filled.store.embeddings("enc_int8").segments[0].path / "notes.txt"
    note.write_text("mine")
    (root / "set-aside").write_text("in the way")
    with pytest.raises((StoreError, OSError)):
        compact(filled.store)
    gc(filled.store, older_than=0)
    assert note.read_text() == "mine"


def test_small_segments_become_one_and_nothing_changes(filled):
    before = {name: content(filled.store, name) for name in ("enc_float16", "enc_int8")}
    old, folder = size_of(filled.store.path / "embeddings"), filled.store.path / "embeddings"
    report = compact(filled.store)
    assert report.bytes_freed == old - size_of(folder) > 0
    assert report.segments_before > 2
    assert report.segments_after == 2
    assert report.duplicates == 0
    assert {name: content(filled.store, name) for name in before} == before
    assert verify(filled.store.path).ok
    assert verify(filled.store.path).notes == []
    assert compact(filled.store).segments_after == 2
    (segment,) = filled.store.embeddings("enc_int8").segments
    made = segment.attributes["circumstances"]
    assert len(made["compacted"]) > 1
    assert "date" in made["compacted"][0]


def test_duplicates_go_and_the_first_stays(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    made = kit.provenance()
    known = kit.proteins(10)
    for factor in (1, 2, 3):
        with store.writer(made, {}) as writer:
            for protein in known[: 3 * factor]:
                one = kit.embedding(protein, made)
                writer.add(type(one)(protein.digest, one.values * np.float16(factor)))
    before = content(store, "enc")
    report = compact(store, "enc", target_bytes=1)
    assert report.duplicates == 3 + 6
    assert content(store, "enc") == before
    assert sum(len(s.digests) for s in store.embeddings().segments) == len(before)


def test_sizes_are_kept_to(filled):
    row = filled.store.embeddings("enc_float16")
    total = int(row.lengths.sum()) * row.dim * 2
    others = [segment.id for segment in filled.store.embeddings("enc_int8").segments]
    compact(filled.store, "enc_float16", target_bytes=total // 2)
    assert [segment.id for segment in filled.store.embeddings("enc_int8").segments] == others
    assert 2 <= len(filled.store.embeddings("enc_float16").segments) <= 4


def test_damage_is_never_given_a_fresh_checksum(filled):
    path = filled.store.embeddings("enc_float16").segments[0].path / "values/c.0.0"
    raw = path.read_bytes()
    path.write_bytes(b"\x01" + raw[1:])
    before = sorted(p.name for p in path.parents[2].iterdir())
    with pytest.raises(CorruptStoreError, match="sesstore repair"):
        compact(filled.store, "enc_float16")
    after = sorted(p.name for p in path.parents[2].iterdir())
    assert [n for n in after if n[0] != "."] == [n for n in before if n[0] != "."]


@pytest.mark.parametrize("stop", range(1, 9))
def test_a_crash_anywhere_loses_nothing(filled, monkeypatch, stop):
    """The process dies at the n-th rename or removal; the next run finishes the work."""
    before = content(filled.store, "enc_float16")
    child = os.fork()
    if child == 0:
        count = [0]

        def counted(real):
            def call(*args, **kwargs):
                count[0] += 1
                if count[0] == stop:
                    os._exit(9)
                return real(*args, **kwargs)

            return call

        os.rename = counted(os.rename)
        compaction.shutil.rmtree = counted(compaction.shutil.rmtree)
        compact(filled.store, "enc_float16")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert content(filled.store, "enc_float16") == before
    assert verify(filled.store.path).ok
    compact(filled.store, "enc_float16")
    gc(filled.store, older_than=0)
    view = filled.store.embeddings("enc_float16")
    assert content(filled.store, "enc_float16") == before
    assert len(view.segments) == 1
    assert verify(filled.store.path).notes == []


def test_only_one_compaction_at_a_time(filled):
    folder = filled.store.encoder_folder("enc_int8")
    code = (
        "import fcntl, os, sys, time; h = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT);"
        "fcntl.flock(h, fcntl.LOCK_EX); print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder / ".compaction.lock")], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(StoreError, match="another compaction"):
            compact(filled.store, "enc_int8")
        other.kill()


@pytest.mark.parametrize("which", ["enc_float16", "enc_int8"])
def test_a_view_finds_again_what_was_compacted_before_it_was_read(filled, monkeypatch, which):
    """As the views of more segments than are mapped at once."""
    monkeypatch.setattr(embeddings, "_MAP_AT_ONCE", 1)
    before = content(filled.store, which)
    view, untouched = filled.store.embeddings(which), filled.store.embeddings(which)
    assert len(view.segments) >= 2
    first = view.get(view.digests[0].tobytes()).copy()
    compact(filled.store, target_bytes=3 * 3000)
    compact(filled.store)
    assert [segment.path.exists() for segment in view.segments] == [False] * len(view.segments)
    np.testing.assert_array_equal(view.get(view.digests[0].tobytes()), first)
    assert {row.tobytes(): view.get(row.tobytes()).tobytes() for row in view.digests} == before
    rows = np.random.default_rng(0).permutation(len(untouched))
    out = np.empty((int(untouched.lengths.sum()), untouched.dim), np.float32)
    untouched.prefetch(rows)
    untouched.gather(rows, out)
    again = filled.store.embeddings(which)
    expected = [again.get(untouched.digests[row].tobytes()) for row in rows]
    np.testing.assert_array_equal(out, np.concatenate(expected))
    for array, segment in enumerate(untouched.segments):  # any slice, not a protein's alone
        rows_of = again.find(segment.digests)
        whole = np.concatenate([again.raw(row) for row in rows_of])
        np.testing.assert_array_equal(untouched.values(array)[3:-2], whole[3:-2])


def test_a_view_says_what_is_gone_and_nowhere_else(filled, monkeypatch):
    monkeypatch.setattr(embeddings, "_MAP_AT_ONCE", 1)
    view = filled.store.embeddings("enc_float16")
    segment = view.segments[-1]
    segment.path.rename(segment.path.with_name("." + segment.id))
    with pytest.raises(CorruptStoreError, match="embed"):
        view.get(segment.digests[0].tobytes())


def test_readers_go_on_while_compact_and_gc_run(filled, kit, monkeypatch):
    """Writers, compaction and gc in a process of their own, for as long as readers read."""
    monkeypatch.setattr(embeddings, "_MAP_AT_ONCE", 1)
    store, made = filled.store, filled.provenances[0]
    known = {row.tobytes() for row in store.embeddings("enc_float16").digests}
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(done[1])
        os.set_blocking(done[0], False)
        for number, protein in enumerate(kit.proteins(1000)):
            with store.writer(made, {}) as writer:
                writer.add(kit.embedding(protein, made))
                writer.roll()
            if number % 5 == 4:
                compact(store)
                gc(store, older_than=0)
                os.write(ready[1], b".")
            with suppress(BlockingIOError):
                os.read(done[0], 1)
                os._exit(0)
        os._exit(1)
    os.close(done[0])
    os.read(ready[0], 1)
    for _ in range(4):
        view = store.embeddings("enc_float16")
        assert known <= {row.tobytes() for row in view.digests}
        os.read(ready[0], 1)
        for protein in filled.proteins:
            expected = kit.embedding(protein, made).values
            np.testing.assert_array_equal(view.get(protein.digest), expected)
        assert summarise(store).encoders[0].proteins >= len(known)
        assert status(store, store.encoders())[0].done >= len(known)
    os.close(done[1])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_view_survives_compaction(filled):
    view = filled.store.embeddings("enc_float16")
    before = content(filled.store, "enc_float16")
    compact(filled.store)
    assert {row.tobytes(): view.get(row.tobytes()).tobytes() for row in view.digests} == before


@pytest.mark.parametrize(
    ("sizes", "duplicates", "groups"),
    [
        ([40, 40, 40], set(), [[0, 1]]),  # one that is sound is not written anew by itself
        ([49, 49], set(), [[0, 1]]),
        ([50, 49, 49], set(), [[1, 2]]),  # half of the target is large enough to stay
        ([49, 50], set(), []),
        ([50, 50], {0}, [[0]]),
        ([40, 70, 20], {1}, [[1, 2]]),
        ([30, 70], {1}, [[0, 1]]),  # just the target
        ([31, 70], {1}, [[1]]),
        ([200, 200], {1}, [[1]]),
        ([200, 200], set(), []),
        ([10], set(), []),
        ([], set(), []),
    ],
)
def test_which_segments_are_written_together(sizes, duplicates, groups):
    """By their bytes; the target is 100, and some have duplicates."""
    view = SimpleNamespace(dim=1, dtype=np.dtype(np.int8), lengths=np.array(sizes, np.int64))
    rows = [np.array([n]) for n in range(len(sizes))]
    counts = [int(n in duplicates) for n in range(len(sizes))]
    assert list(compaction._groups(view, rows, counts, 100)) == groups


def size_of(folder):
    """Bytes of all files of segments: locks are empty."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
