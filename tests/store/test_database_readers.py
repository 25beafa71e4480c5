"""Who reads a database beside whom: locks, other processes, files that change under it."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import lmdb
import pytest

from sesstore.errors import CorruptStoreError, StoreError
from sesstore.store import database as databases
from sesstore.store.database import Database, close_database, create_database, open_database


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "x.lmdb"
    put(create_database(path, {"t": False}), b"first")
    yield path
    close_database(path)


def put(database: Database, value: bytes) -> None:
    database.write(lambda txn: txn.put(b"k", value, db=database.tables["t"]))


def elsewhere(work: Callable[[], object]) -> None:
    """Do something in another process."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def is_locked(path: Path) -> bool:
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def test_only_who_may_not_write_holds_a_lock_while_it_reads(path, monkeypatch):
    with open_database(path).read():
        assert not is_locked(path)  # LMDB knows of it
    close_database(path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    database = open_database(path)
    assert not is_locked(path)
    with database.read(), database.read():
        with database.read():
            pass
        assert is_locked(path)
    assert not is_locked(path)
    with pytest.raises(KeyError), database.read():
        raise KeyError
    assert not is_locked(path)


def test_a_writer_lets_readers_end_before_the_seal_goes(path, monkeypatch):
    database, calls = open_database(path), []
    database.seal()
    seal = path.with_name("x.lmdb.seal")
    monkeypatch.setattr(
        databases, "wait_for_readers", lambda place: calls.append((place, seal.exists()))
    )
    put(database, b"second")
    assert calls == [(path, True)]


@pytest.mark.parametrize("commits", [0, 1, 2])
@pytest.mark.parametrize("ending", [None, CorruptStoreError("x"), lmdb.Error("x")])
@pytest.mark.parametrize("read_only", [True, False])
def test_a_reader_that_was_overtaken_is_told_whatever_it_saw(
    path, monkeypatch, commits, ending, read_only
):
    """One commit leaves the pages of its snapshot alone; after more nothing it saw counts."""
    close_database(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: not read_only)
        database = open_database(path)
    real, snapshot = database._env, database._env.info()["last_txnid"]
    later = SimpleNamespace(
        begin=real.begin, flags=real.flags, info=lambda: {"last_txnid": snapshot + commits}
    )
    monkeypatch.setattr(database, "_env", later)

    def read() -> bytes:
        with database.read() as txn:
            if ending is not None:
                raise ending
            return txn.get(b"k", db=database.tables["t"])

    if read_only and commits > 1:
        with pytest.raises(StoreError, match=f"^{path} was written over while it was read") as said:
            read()
        assert not isinstance(said.value, CorruptStoreError)
    elif ending is None:
        assert read() == b"first"
    else:
        with pytest.raises(CorruptStoreError, match="x"):
            read()


def test_a_table_another_process_made_is_found(path):
    database = open_database(path)

    def add() -> None:
        open_database(path).add_tables(["later"])

    elsewhere(add)
    assert "later" not in database.tables
    with database.read() as txn:
        assert txn.stat(database.table("later", txn))["entries"] == 0
    assert "later" in database.tables
    with pytest.raises(CorruptStoreError), database.read() as txn:
        database.table("none", txn)


def test_a_file_that_grew_and_was_cut_is_not_read_on(path):
    """LMDB has mapped all of it: what is read beyond its end would end the process."""
    database = open_database(path)
    put(database, bytes(1 << 20))
    grown = path.stat().st_size
    assert open_database(path) is database
    os.truncate(path, grown - (1 << 19))
    with pytest.raises(CorruptStoreError, match=f"^{path} is cut short or broken"):
        open_database(path)


def test_a_database_of_a_group_can_be_written_by_the_group(tmp_path):
    path, old = tmp_path / "x.lmdb", os.umask(0o002)
    try:
        create_database(path, {"t": False})
    finally:
        os.umask(old)
    for file in (path, Path(f"{path}-lock")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o664
    close_database(path)


def test_a_table_without_a_readable_name_is_damage(tmp_path):
    path = tmp_path / "x.lmdb"
    with lmdb.open(str(path), subdir=False, max_dbs=2) as env:
        env.open_db(b"\xff")
    with pytest.raises(CorruptStoreError, match=f"^{path} cannot be used .*sesstore repair"):
        open_database(path)
