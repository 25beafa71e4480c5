"""Readers who may not write a store are safe from those who do."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from sesstore.store import lmdb_read_lock
from sesstore.store.integrity import verify
from sesstore.store.lmdb_read_lock import reader_lock, wait_for_readers

WALK = """
import sys
from pathlib import Path
from sesstore.errors import StoreError
from sesstore.store.database import open_database, unchecked
path = Path(sys.argv[1])
database = open_database(path)
assert database.read_only
try:
    with database.read() as txn:
        print("inside", flush=True)
        for word in sys.stdin:
            if word.startswith("walk"):
                cursor = txn.cursor(database.tables["meta"])
                print(len([unchecked(key, value, path) for key, value in cursor]), flush=True)
except StoreError as problem:
    print(problem, flush=True)
"""


@pytest.fixture
def shared(lab, kit):
    """A store that is root's, in a folder that others may only read."""
    return kit.fill(lab / "store", 300, ())


@pytest.fixture
def reader(shared, people):
    """A reader without write permission, in the middle of a transaction."""
    path = shared.store.path / "tokens/alphafold2.lmdb"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with people[1].start(sys.executable, "-c", WALK, str(path), **pipes) as process:
        assert process.stdout.readline() == "inside\n"
        yield process
        process.kill()


def rewrite(shared, kit, times: int) -> None:
    """Write every record anew, so that LMDB uses pages again."""
    for salt in range(times):
        others = kit.proteins(300)[salt:] + kit.proteins(300)[:salt]
        items = [kit.tokens(p, tool=f"tool {salt}") for p in others]
        for item, other in zip(items, kit.proteins(300, seed=salt + 1), strict=True):
            item.codes["foldseek"][...] = len(other) % 20
        shared.store.add_tokens(items, {"time": salt}, replace=True)


def ask(process, word: str) -> str:
    process.stdin.write(word + "\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_a_writer_waits_for_a_reader_that_lmdb_does_not_know(shared, reader, kit):
    few = [kit.tokens(p, tool="another") for p in kit.proteins(300)[:3]]
    for item in few:
        item.codes["foldseek"][...] = 0
    add = shared.store.add_tokens
    writer = threading.Thread(target=lambda: [add([x], {}, replace=True) for x in few])
    writer.start()
    writer.join(1.0)
    assert writer.is_alive()
    assert ask(reader, "walk") == "300\n"
    reader.stdin.close()
    writer.join(60)
    assert not writer.is_alive()
    assert reader.wait(60) == 0
    assert verify(shared.store.path).ok


def test_a_reader_that_was_stopped_holds_up_nobody_and_is_told(shared, reader, kit, monkeypatch):
    monkeypatch.setattr(lmdb_read_lock, "PATIENCE_SECONDS", 0.05)
    rewrite(shared, kit, 4)
    answer, _ = reader.communicate(timeout=60)
    assert "written over while it was read" in answer
    assert reader.returncode == 0


def test_who_may_only_read_verifies_beside_writers(shared, people, kit):
    """The walk goes over a copy: nobody waits for it, and it sees one state."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            rewrite(shared, kit, 2)

    writer = threading.Thread(target=write)
    writer.start()
    command = [sys.executable, "-m", "sesstore_cli.main", "verify"]
    status, text = people[1].run(*command, "--store", str(shared.store.path))
    stop.set()
    writer.join(60)
    assert status == 0, text


def test_readers_without_a_gap_between_them_do_not_keep_a_writer_out(tmp_path):
    path = tmp_path / "file"
    path.touch()
    stop, inside = threading.Event(), threading.Barrier(2)

    def read(first: bool) -> None:
        """Two of these hand over to each other: one is always inside."""
        if not first:
            inside.wait()
        while not stop.is_set():
            with reader_lock(path):
                try:
                    inside.wait(1)
                    inside.wait(1)
                except threading.BrokenBarrierError:
                    return

    readers = [threading.Thread(target=read, args=(first,)) for first in (True, False)]
    for thread in readers:
        thread.start()
    wait_for_readers(path)
    stop.set()
    for thread in readers:
        thread.join(60)
