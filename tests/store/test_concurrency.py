"""Eight writers and four readers on one store at once, each a process of its own."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time

import numpy as np
import pytest

from sesstore.errors import NotStoredError, UnknownNameError
from sesstore.store import Store
from sesstore.store.compaction import compact, gc
from sesstore.store.integrity import verify

FORK = multiprocessing.get_context("fork")


def write(path, kit, number: int, share: int) -> None:
    """Every protein is written by two writers: duplicates must be harmless."""
    store = Store.open(path)
    made = kit.provenance()
    mine = [
        p for i, p in enumerate(kit.proteins(96)) if i % share in (number, (number + 1) % share)
    ]
    random.Random(number).shuffle(mine)
    for start in range(0, len(mine), 6):
        part = mine[start : start + 6]
        store.add_proteins(part)
        store.add_tokens(map(kit.tokens, part), {"writer": number})
        with store.writer(made, {"writer": number}) as writer:
            for protein in part:
                writer.add(kit.embedding(protein, made))


def read(path, kit, stop) -> None:
    """Whatever a reader sees is whole and right, and never less than before."""
    store = Store.open(path)
    made = kit.provenance()
    known = {p.digest: p for p in kit.proteins(96)}
    seen = 0
    while not stop.wait(0.02):
        try:
            view, reader = store.embeddings(), store.tokens("alphafold2")
        except (NotStoredError, UnknownNameError):
            continue
        assert len(view) >= seen
        seen = len(view)
        for row in view.digests[:: max(1, seen // 10)]:
            protein = known[row.tobytes()]
            expected = kit.embedding(protein, made).values
            np.testing.assert_array_equal(view.get(protein.digest), expected)
            assert store.protein(protein.digest).sequence == protein.sequence
            found = reader.get(protein.digest)
            np.testing.assert_array_equal(found.codes["dssp"], kit.tokens(protein).codes["dssp"])


def run(target, *args):
    process = FORK.Process(target=target, args=args)
    process.start()
    return process


def check_complete(store: Store, kit) -> None:
    assert verify(store.path).ok
    known = kit.proteins(96)
    view = store.embeddings()
    assert len(view) == len({p.digest for p in known})
    for protein in known:
        expected = kit.embedding(protein, kit.provenance()).values
        np.testing.assert_array_equal(view.get(protein.digest), expected)
    assert len(store.tokens("alphafold2")) == len(view) == store.count_proteins()


def test_eight_writers_and_four_readers(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    stop = FORK.Event()
    readers = [run(read, store.path, kit, stop) for _ in range(4)]
    writers = [run(write, store.path, kit, number, 8) for number in range(8)]
    for writer in writers:
        writer.join(120)
    stop.set()
    for reader in readers:
        reader.join(60)
    assert [p.exitcode for p in writers + readers] == [0] * 12
    assert verify(store.path).notes == []
    check_complete(store, kit)
    assert compact(store).duplicates > 0
    check_complete(store, kit)


def test_killed_writers_do_not_disturb_the_others(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    doomed = [run(write, store.path, kit, number, 4) for number in range(4)]
    steady = [run(write, store.path, kit, number, 4) for number in range(4)]
    for process in doomed:
        time.sleep(0.05)
        process.kill()  # which may have ended by then
    for process in doomed + steady:
        process.join(120)
    assert [p.exitcode for p in steady] == [0] * 4
    check_complete(store, kit)
    gc(store, older_than=0)
    store.add_proteins([])
    check_complete(store, kit)
    assert verify(store.path).notes == []


def test_readers_go_on_during_compaction(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    write(store.path, kit, 0, 1)
    stop = FORK.Event()
    readers = [run(read, store.path, kit, stop) for _ in range(2)]
    for _ in range(10):
        compact(store, target_bytes=1 << 20)
        made = kit.provenance()
        for protein in kit.proteins(96)[:3]:
            with store.writer(made, {}) as writer:
                writer.add(kit.embedding(protein, made))
    stop.set()
    for reader in readers:
        reader.join(60)
    assert [p.exitcode for p in readers] == [0, 0]
    check_complete(store, kit)


@pytest.mark.parametrize("first_map", [1 << 16, 1 << 30])
def test_threads_share_one_database(tmp_path, kit, monkeypatch, first_map):
    """Readers and a writer in one process, while the map has to grow."""
    from sesstore.store import database

    monkeypatch.setattr(database, "FIRST_MAP", first_map)
    store = Store.create(tmp_path / "s")
    known = kit.proteins(300, longest=300)
    store.add_proteins(known[:1])
    problems: list[BaseException] = []
    done = threading.Event()

    def reading() -> None:
        try:
            while not done.wait(0.005):
                assert store.protein(known[0].digest) == known[0]
                list(store.proteins())
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=reading) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(0, 300, 20):
        store.add_proteins(known[start : start + 20])
        store.add_tokens(map(kit.tokens, known[start : start + 20]), {})
    done.set()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert store.count_proteins() == len({p.digest for p in known})
