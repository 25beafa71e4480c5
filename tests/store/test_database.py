from __future__ import annotations

import os

import pytest

from sesstore.errors import CorruptStoreError, StorageFullError
from sesstore.proteins import Protein
from sesstore.store import Store, database
from sesstore.store.database import create_database, open_database


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
