from __future__ import annotations

import errno
import os
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import lmdb
import pytest

from sesstore.errors import CorruptStoreError, StorageFullError, StoreAccessError, StoreError
from sesstore.proteins import Protein
from sesstore.store import Store, database
from sesstore.store.database import (
    Database,
    checked,
    close_database,
    create_database,
    last_transaction,
    open_database,
    unchecked,
)
from sesstore.store.lmdb_seals import seal_path
from sesstore.store.manifest import counts_of, strike


def test_the_map_grows_when_it_is_full(tmp_path, monkeypatch, kit):
    monkeypatch.setattr(database, "FIRST_MAP", 1 << 17)
    store = Store.create(tmp_path / "s")
    known = [
        Protein(f"p{i}", "ACDEFGHIKL" * 40 + "ACDEFGHIKLMN"[: i % 12 + 1] * (i + 1))
        for i in range(400)
    ]
    assert store.add_proteins(known) == 400
    assert (tmp_path / "s/proteins.lmdb").stat().st_size > 1 << 17
    assert sorted(p.digest for p in store.proteins()) == sorted(p.digest for p in known)


def test_a_map_another_process_grew_is_adopted(tmp_path, monkeypatch, kit):
    monkeypatch.setattr(database, "FIRST_MAP", 1 << 17)
    store = Store.create(tmp_path / "s")
    store.add_proteins(kit.proteins(3))
    child = os.fork()
    if child == 0:
        longer = [Protein(f"q{i}", "ACDEFGHIKL" * (50 + i)) for i in range(500)]
        os._exit(0 if store.add_proteins(longer) == 500 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert store.count_proteins() == 503
    assert len(list(store.proteins())) == 503
    assert store.add_proteins([Protein("new", "WWWWW")]) == 1


def test_creating_never_replaces_what_somebody_else_made(tmp_path):
    path = tmp_path / "x.lmdb"
    made = create_database(path, {"t": False})
    made.write(lambda txn: txn.put(b"k", b"v", db=made.tables["t"]))
    again = create_database(path, {"t": False})
    with again.read() as txn:
        assert txn.get(b"k", db=again.tables["t"]) == b"v"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.lmdb", "x.lmdb-lock"]


def test_no_file_is_no_database(tmp_path):
    assert open_database(tmp_path / "none.lmdb") is None
    (tmp_path / "junk.lmdb").write_bytes(b"junk" * 4096)
    with pytest.raises(CorruptStoreError, match="sesstore repair"):
        open_database(tmp_path / "junk.lmdb")


def test_a_full_disk_leaves_the_records_before_it(tmp_path, kit):
    """The kernel's own limit on file sizes stands in for a full disk."""
    store = Store.create(tmp_path / "s")
    store.add_proteins(kit.proteins(20))
    child = os.fork()
    if child == 0:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
        try:
            store.add_proteins(Protein(f"q{i}", "ACDEFGHIKL" * (99 + i)) for i in range(3000))
        except StorageFullError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert store.count_proteins() >= 20
    for protein in kit.proteins(20):
        assert store.protein(protein.digest).sequence == protein.sequence
    from sesstore.store.integrity import verify

    assert verify(store.path).ok
    assert store.add_proteins([Protein("more", "MKMKMK")]) == 1
    assert verify(store.path).notes == []


TABLE = {"t": False}


def put(database: Database, key: bytes, value: bytes) -> None:
    database.write(lambda txn: txn.put(key, value, db=database.table("t", txn)))


def value_of(path: Path, key: bytes) -> bytes | None:
    database = open_database(path)
    assert database is not None
    with database.read() as txn:
        return txn.get(key, db=database.table("t", txn))


def test_a_record_carries_the_sum_of_key_and_value(tmp_path):
    """CRC-32C of "123456789" is 0xE3069283 (RFC 3720, and every catalogue of checksums)."""
    stored = b"56789" + 0xE3069283.to_bytes(4, "little")
    assert checked(b"1234", b"56789") == stored
    assert unchecked(b"1234", stored, tmp_path) == b"56789"
    for key, other in ((b"1235", stored), (b"1234", b"4" + stored[1:]), (b"1234", stored[:-1])):
        with pytest.raises(CorruptStoreError, match=f"{tmp_path}: the record of {key.hex()} is"):
            unchecked(key, other, tmp_path)


def test_a_change_that_fails_leaves_no_trace_and_its_own_error(tmp_path):
    path = tmp_path / "x.lmdb"
    made = create_database(path, TABLE)
    put(made, b"k", b"v")

    def change(txn) -> None:
        txn.put(b"k", b"other", db=made.tables["t"])
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        made.write(change)
    assert value_of(path, b"k") == b"v"
    assert made.write(lambda txn: 7) == 7
    with made.read() as txn:
        assert last_transaction(made, txn) == txn.id()


def test_another_file_in_its_place_is_opened_and_the_old_one_read_to_the_end(tmp_path):
    for name in ("x", "y"):
        put(create_database(tmp_path / f"{name}.lmdb", TABLE), b"k", name.encode())
    path = tmp_path / "x.lmdb"
    old = open_database(path)
    assert open_database(path) is old
    close_database(tmp_path / "y.lmdb")
    with old.read() as txn:
        Path(f"{path}-lock").unlink()  # as `repair` does
        os.replace(tmp_path / "y.lmdb", path)
        assert value_of(path, b"k") == b"y"
        assert txn.get(b"k", db=old.tables["t"]) == b"x"
    current = open_database(path)
    close_database(path)
    assert open_database(path) is not current


def test_several_values_of_a_key_are_for_tables_that_have_them(tmp_path):
    made = create_database(tmp_path / "x.lmdb", {"one": False, "several": True})
    made.add_tables(["one", "later"])
    assert set(made.tables) == {"one", "several", "later", "state"}

    def fill(txn) -> list[int]:
        for name in made.tables:
            for value in (b"a", b"b"):
                txn.put(b"k", value, db=made.tables[name])
        return [int(txn.stat(made.tables[n])["entries"]) for n in ("one", "several", "later")]

    assert made.write(fill) == [1, 2, 1]


@pytest.mark.parametrize("rival", [False, True])
def test_where_there_are_no_links_a_file_gets_its_name_unless_somebody_was_faster(
    tmp_path, monkeypatch, rival
):
    put(create_database(tmp_path / "rival.lmdb", TABLE), b"k", b"theirs")
    close_database(tmp_path / "rival.lmdb")
    path = tmp_path / "x.lmdb"

    def refused(old, new):
        if rival:
            shutil.copyfile(tmp_path / "rival.lmdb", new)
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    create_database(path, TABLE)
    assert value_of(path, b"k") == (b"theirs" if rival else None)
    names = {p.name for p in tmp_path.iterdir()}
    assert names <= {f"{name}.lmdb{end}" for name in ("x", "rival") for end in ("", "-lock")}


def test_who_may_only_read_is_told_whose_it_is(tmp_path, monkeypatch):
    path = tmp_path / "x.lmdb"
    put(create_database(path, TABLE), b"k", b"v")
    close_database(path)
    monkeypatch.setattr(os, "access", lambda place, mode: place != path.parent)
    assert value_of(path, b"k") == b"v"
    database = open_database(path)
    assert database.read_only
    with pytest.raises(StoreError, match=f"{path} cannot be written. It belongs to "):
        put(database, b"k", b"w")
    database.seal()
    assert not seal_path(path).exists()
    close_database(path)


def test_where_lmdb_gets_no_locks_it_is_read_and_the_reason_kept_for_writers(tmp_path, monkeypatch):
    path, real = tmp_path / "x.lmdb", lmdb.open
    put(create_database(path, TABLE), b"k", b"v")
    close_database(path)

    def without_locks(*arguments, **settings):
        if settings.get("lock", True):
            raise lmdb.LockError(f"{path}: No locks available")
        return real(*arguments, **settings)

    monkeypatch.setattr(lmdb, "open", without_locks)
    assert value_of(path, b"k") == b"v"
    with pytest.raises(StoreAccessError, match=f"{path} could not be .*No locks available"):
        put(open_database(path), b"k", b"w")
    close_database(path)


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (lmdb.DiskError("x: write"), StorageFullError),
        (lmdb.Error("x: No space left on device"), StorageFullError),
        (lmdb.Error("x: File too large"), StorageFullError),
        (lmdb.Error("x: Input/output error"), StoreAccessError),
        (lmdb.Error("x: Permission denied"), StoreAccessError),
        (lmdb.CorruptedError("x: MDB_CORRUPTED"), CorruptStoreError),
    ],
)
def test_what_ends_a_write_is_told_apart(tmp_path, monkeypatch, problem, kind):
    path = tmp_path / "x.lmdb"
    made = create_database(path, TABLE)
    put(made, b"k", b"v")

    def failing(txn) -> None:
        raise problem

    with pytest.raises(kind, match=str(path)) as said:
        made.write(failing)
    assert type(said.value) is kind
    assert value_of(path, b"k") == b"v"


def test_an_error_of_the_disk_where_it_is_full_is_a_full_disk(tmp_path, monkeypatch):
    path, problem = tmp_path / "x", lmdb.Error("x: Input/output error")
    path.write_bytes(bytes(100))
    for free, full in (((16 << 20) - 1, True), (16 << 20, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        assert database._is_full(problem, path) is full
    for limit, full in (((16 << 20) + 99, True), ((16 << 20) + 100, False)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        assert database._is_full(problem, path) is full
    assert not database._is_full(lmdb.Error("x: Permission denied"), path)


def test_the_entry_says_how_many_proteins_and_which_transaction_and_comes_back(filled):
    unique = len({p.digest for p in filled.proteins})
    for name in ("proteins.lmdb", "tokens/alphafold2.lmdb"):
        path = filled.store.path / name
        made = open_database(path)
        with made.read() as txn:
            expected = {"records": unique, "transaction": txn.id()}
        assert counts_of(path) == expected
        seal = seal_path(path).read_bytes()
        strike(path)
        made.seal()
        assert counts_of(path) == expected
        assert seal_path(path).read_bytes() == seal
