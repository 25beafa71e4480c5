"""What killed writers left is removed, and nothing else."""

from __future__ import annotations

import os
import time

import pytest

from sesstore.store import Store, compaction
from sesstore.store.compaction import gc
from sesstore.store.integrity import verify

from .conftest import content


def test_gc_removes_what_killed_writers_left_and_nothing_else(filled, kit):
    store = filled.store
    made = filled.provenances[0]
    folder = store.encoder_folder(made.fingerprint)
    (folder / ".20200101T000000000000-00000000deadbeef").mkdir()
    (folder / ".20200101T000000000000-00000000deadbeef/values").mkdir()
    (store.path / "tasks/.toy.jsonl.0123456789ab").write_bytes(b"x" * 100)
    bundles = store.path / "share/bundles"
    bundles.mkdir(parents=True)
    for name, size in ((f".{'ab' * 32}.0123456789ab", 50), ("ab" * 32, 1), (".DS_Store", 1)):
        (bundles / name).write_bytes(b"x" * size)
    (store.path / "share/.index.json.0123456789ab").write_bytes(b"x" * 7)
    (store.path / "alphabets").mkdir()
    (store.path / "alphabets/.mine.toml.0123456789ab").write_bytes(b"x" * 3)
    (store.path / "set-aside").mkdir()
    alive = store.writer(made, {})
    alive.add(kit.embedding(kit.proteins(99)[98], made))
    assert gc(store).removed == []
    dry = gc(store, older_than=0, dry_run=True)
    assert gc(store, older_than=0).removed == dry.removed
    assert len(dry.removed) == 5
    assert dry.bytes == 100 + 50 + 7 + 3
    assert {file.name for file in bundles.iterdir()} == {"ab" * 32, ".DS_Store"}
    assert alive.commit() is not None
    assert len(store.embeddings(made.fingerprint)) == len(filled.proteins) + 1
    assert gc(store, older_than=0, set_aside=True, dry_run=True).removed == ["set-aside"]
    assert (store.path / "set-aside").is_dir()
    assert gc(store, older_than=0, set_aside=True).removed == ["set-aside"]
    assert not (store.path / "set-aside").exists()


def test_gc_beside_writers_that_begin_takes_nothing_from_them(tmp_path, kit):
    """With no grace at all: only the lock tells what lives."""
    store, made = Store.create(tmp_path / "s"), kit.provenance()
    known = kit.proteins(20)
    child = os.fork()
    if child == 0:
        try:
            for protein in known:
                store.add_proteins([protein])
                store.add_tokens([kit.tokens(protein, f"source{len(protein)}")], {})
                with store.writer(made, {}) as writer:
                    writer.add(kit.embedding(protein, made))
            os._exit(0)
        finally:
            os._exit(1)
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        gc(store, older_than=0)
    assert ended == (child, 0)
    assert content(store, "enc").keys() == {p.digest for p in known}
    assert verify(store.path).ok


def test_gc_leaves_what_others_hide_in_a_store(filled):
    """Version control, snapshots, file managers: only names this package makes are its own."""
    root, folder = filled.store.path, filled.store.encoder_folder("enc_int8")
    for place in (root, root / "tokens", folder):
        for name in (".git", ".dvc", ".snapshot", ".gone", ".20200101", ".nfs0123456789ab"):
            (place / name).mkdir()
            (place / name / "HEAD").write_text("x")
        for name in (".DS_Store", "._values", ".gitignore", ".toy.jsonl.swp"):
            (place / name).write_text("x")
    assert gc(filled.store, older_than=0).removed == []


def test_gc_waits_an_hour_by_default(filled):
    left = filled.store.path / ".zarr.json.0123456789ab"
    left.mkdir()
    assert gc(filled.store).removed == []
    hour_ago = time.time() - 3700
    (left / "values").write_bytes(b"x")
    os.utime(left, (hour_ago, hour_ago))
    assert gc(filled.store).removed == []  # its writer, on another machine, is at work in it
    os.utime(left / "values", (hour_ago, hour_ago))
    assert gc(filled.store).removed == [left.name]


@pytest.mark.parametrize(("age", "goes"), [(59.0, False), (60.0, True), (61.0, True)])
def test_gc_takes_what_is_just_as_old(filled, monkeypatch, age, goes):
    left = next(filled.store.path.glob("embeddings/*/")) / ".20261127T000000000000-0000000000000000"
    left.mkdir()
    (left / "a").write_bytes(b"12345")
    monkeypatch.setattr(compaction, "_age", lambda path: age)
    report = gc(filled.store, older_than=60.0, dry_run=True)
    assert report.removed == ([str(left.relative_to(filled.store.path))] if goes else [])
    assert report.bytes == (5 if goes else 0)
    assert left.exists()


def test_the_age_is_that_of_the_last_change(filled, monkeypatch):
    folder = filled.store.path / "x"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a").write_bytes(b"1")
    for path, moment in ((folder / "inner" / "a", 900), (folder / "inner", 500), (folder, 400)):
        os.utime(path, (moment, moment))
    monkeypatch.setattr(compaction.time, "time", lambda: 1000.0)
    assert compaction._age(folder) == 100
    assert compaction._age(folder / "none") == -1  # gone meanwhile: never old enough
