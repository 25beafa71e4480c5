"""What is renamed is on disk already, and its name is before anybody relies on it.

A kill does not lose the system's page cache, so only the order of the calls tells: `Disk` keeps
book of what would be lost if the power went.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import StorageFullError, StoreAccessError
from sesstore.provenance import circumstances
from sesstore.residues import Embedding
from sesstore.store import Store, layout
from sesstore.store.compaction import compact
from sesstore.store.database import open_database


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_a_segment_is_on_disk_as_a_whole_before_it_is_one(tmp_path, kit, disk, monkeypatch, dtype):
    monkeypatch.setattr(layout, "SHARD_BYTES", 1 << 16)  # several shards a segment
    store, made = Store.create(tmp_path / "new" / "store"), kit.provenance(dtype=dtype, dim=64)
    known = kit.proteins(30, longest=300)
    with store.writer(made, circumstances("numpy"), segment_bytes=600_000) as writer:
        for protein in known:
            writer.add(kit.embedding(protein, made))
        writer.roll()
        disk.check(tmp_path)
        writer.add(kit.embedding(kit.proteins(31, longest=300)[30], made))
    segments = store.embeddings().segments
    assert {str(segment.path) for segment in segments} <= set(disk.renames)
    assert max(len(list((s.path / "values").glob("c.*"))) for s in segments) > 1
    disk.check(tmp_path)
    compact(store)
    disk.check(tmp_path)


def test_everything_else_of_a_store_is_on_disk_too(tmp_path, kit, disk):
    store = Store.create(tmp_path / "store")
    store.add_proteins(kit.proteins(5))
    store.add_tokens(map(kit.tokens, kit.proteins(5)), circumstances("lmdb"))
    store.add_task(kit.task(kit.proteins(5)))
    names = {Path(path).name for path in disk.renames}
    assert names >= {"zarr.json", "embeddings", "proteins.lmdb", "alphafold2.lmdb", "toy.jsonl"}
    assert names >= {"proteins.lmdb.seal", "alphafold2.lmdb.seal"}
    disk.check(tmp_path)


def test_the_seal_is_gone_from_disk_before_a_database_changes(tmp_path, kit, disk):
    """A seal that came back after a crash would blame a sound file."""
    store = Store.create(tmp_path / "store")
    store.add_proteins(kit.proteins(5))
    database, seal = open_database(store.path / layout.PROTEINS), store.path / "proteins.lmdb.seal"
    synced = []
    disk.after_fsync = lambda _, handle: synced.append(
        (os.readlink(f"/proc/self/fd/{handle}"), seal.exists())
    )
    database.write(lambda txn: synced.append("change"))
    assert synced == [(str(store.path), False), "change"]
    synced.clear()
    database.seal()
    database.add_tables(["another"])
    assert not seal.exists()


def test_after_a_full_disk_what_was_dropped_is_taken_again(tmp_path, kit, monkeypatch):
    """By the same writer: dropped proteins are not among those it has seen."""
    store, made, known = Store.create(tmp_path / "s"), kit.provenance(), kit.proteins(4)
    with store.writer(made, {}) as writer:
        writer.add(kit.embedding(known[0], made))
        writer.roll()
        writer.add(kit.embedding(known[1], made))
        wide = kit.embedding(known[2], made)
        broken = Embedding(known[2].digest, wide.values)
        real = os.write
        monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(StorageFullError):
            writer.add(broken)
        monkeypatch.setattr(os, "write", real)
        for protein in known:
            writer.add(kit.embedding(protein, made))
    view = store.embeddings()
    assert {row.tobytes() for row in view.digests} == {protein.digest for protein in known}
    assert sum(len(segment.digests) for segment in view.segments) == len(known)


def test_what_is_compacted_keeps_its_place_in_time(tmp_path, kit):
    """Of a protein stored twice with different values the older counts, before and after."""
    store, made = Store.create(tmp_path / "s"), kit.provenance()
    first, second, third, big = kit.proteins(4)
    values = {}
    for number, proteins in enumerate([[first], [second], [big, first, second], [third]]):
        with store.writer(made, {}) as writer:
            for protein in proteins:
                one = kit.embedding(protein, made)
                writer.add(Embedding(protein.digest, one.values + np.float16(number)))
        values = {**{p.digest: number for p in proteins}, **values}
    before = {d: store.embeddings().get(d).copy() for d in values}
    ids = [segment.id.split("-")[0] for segment in store.embeddings().segments]
    compact(store, target_bytes=1)  # drops what stands twice, and merges nothing else
    compact(store)
    view = store.embeddings()
    assert view.segments[0].id.split("-")[0] == ids[0]
    for digest, expected in before.items():
        np.testing.assert_array_equal(view.get(digest), expected)


def test_a_disk_that_fails_in_the_last_step_is_one_error_and_closes_nothing_twice(
    tmp_path, kit, monkeypatch
):
    """The segment has its name by then; its lock's number may belong to another file soon."""
    store, made, known = Store.create(tmp_path / "s"), kit.provenance(), kit.proteins(2)
    real, folder = os.fsync, store.path / layout.EMBEDDINGS / layout.encoder_folder(made)

    def failing(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}") == str(folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StoreAccessError), store.writer(made, {}) as writer:
        writer.add(kit.embedding(known[0], made))
    monkeypatch.setattr(os, "fsync", real)
    with store.writer(made, {}) as writer:
        writer.add(kit.embedding(known[1], made))
    assert {row.tobytes() for row in store.embeddings().digests} == {p.digest for p in known}
