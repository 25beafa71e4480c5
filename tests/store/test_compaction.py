from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError, StoreError
from sesstore.store import Store, compaction
from sesstore.store.compaction import compact, gc
from sesstore.store.integrity import verify


def content(store: Store, which: str) -> dict[bytes, bytes]:
    view = store.embeddings(which)
    return {row.tobytes(): view.get(row.tobytes()).tobytes() for row in view.digests}


def test_small_segments_become_one_and_nothing_changes(filled):
    before = {name: content(filled.store, name) for name in ("enc_float16", "enc_int8")}
    report = compact(filled.store)
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
    compact(filled.store, "enc_float16", target_bytes=total // 2)
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


def test_a_view_survives_compaction(filled):
    view = filled.store.embeddings("enc_float16")
    before = content(filled.store, "enc_float16")
    compact(filled.store)
    assert {row.tobytes(): view.get(row.tobytes()).tobytes() for row in view.digests} == before


def test_gc_removes_what_killed_writers_left_and_nothing_else(filled, kit):
    store = filled.store
    made = filled.provenances[0]
    folder = store.encoder_folder(made.fingerprint)
    (folder / ".20200101T000000-dead").mkdir()
    (folder / ".20200101T000000-dead/values").mkdir()
    (store.path / "tasks/.toy.jsonl.123").write_bytes(b"x" * 100)
    (store.path / "set-aside").mkdir()
    alive = store.writer(made, {})
    alive.add(kit.embedding(kit.proteins(99)[98], made))
    assert gc(store).removed == []
    dry = gc(store, older_than=0, dry_run=True)
    assert gc(store, older_than=0).removed == dry.removed
    assert len(dry.removed) == 2
    assert dry.bytes == 100
    assert alive.commit() is not None
    assert len(store.embeddings(made.fingerprint)) == len(filled.proteins) + 1
    assert gc(store, older_than=0, set_aside=True).removed == ["set-aside"]


def test_gc_waits_an_hour_by_default(filled):
    left = filled.store.path / ".old"
    left.mkdir()
    assert gc(filled.store).removed == []
    hour_ago = time.time() - 3700
    os.utime(left, (hour_ago, hour_ago))
    assert gc(filled.store).removed == [".old"]
