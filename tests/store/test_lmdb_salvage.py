"""What is saved of a broken database is what was sound, record by record, and the rest is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from sesstore.errors import StorageFullError
from sesstore.proteins import Protein
from sesstore.store import database as databases
from sesstore.store.database import checked, close_database, open_database
from sesstore.store.lmdb_salvage import Salvage, salvage
from sesstore.store.protein_table import ProteinTable
from sesstore.store.tokens import Tokens

Tables = dict[str, list[tuple[bytes, bytes]]]
Place = Callable[[str], Path]


@pytest.fixture
def places(filled, tmp_path) -> Place:
    """Databases of a store, with several ids of a sequence, one of which is empty."""
    first, second = filled.proteins[:2]
    filled.store.add_proteins([Protein("other", first.sequence), Protein("", second.sequence)])
    return lambda name: filled.store.path / name


def tables(path: Path) -> Tables:
    """All records, by LMDB; the number of the last transaction is another in each file."""
    close_database(path)
    with lmdb.open(str(path), subdir=False, max_dbs=64, readonly=True, lock=False) as env:
        with env.begin() as txn:
            names = [bytes(key) for key in txn.cursor().iternext(values=False)]
        found = {}
        for name in names:
            table = env.open_db(name, create=False)
            with env.begin() as txn:
                found[name.decode()] = [(bytes(k), bytes(v)) for k, v in txn.cursor(table)]
    del found["state"]
    return found


def saved(path: Path, change: Callable[..., object] | None = None) -> tuple[Salvage, Tables]:
    """What is saved of a file after a change of its records."""
    if change is not None:
        database = open_database(path)
        database.write(lambda txn: change(txn, database.tables))
    new = path.with_name("new.lmdb")
    found = salvage(path, new)
    assert new not in databases._open  # closed: it is moved afterwards
    return found, tables(new)


def overwrite(path: Path, old: bytes, new: bytes) -> None:
    """Change bytes wherever they stand: pages of before hold them, too, and would be read."""
    close_database(path)
    raw = path.read_bytes()
    assert len(old) == len(new)
    assert old in raw
    path.write_bytes(raw.replace(old, new))


def without(records: Tables, name: str, digest: bytes) -> list[tuple[bytes, bytes]]:
    return [(key, value) for key, value in records[name] if digest not in (key, value[:-4])]


@pytest.mark.parametrize("name", ["proteins.lmdb", "tokens/alphafold2.lmdb"])
@pytest.mark.parametrize("headless", [False, True])
def test_of_a_sound_file_everything_is_saved(places, name, headless):
    """Also where the first pages are gone: then nothing says how many there were."""
    path = places(name)
    expected = tables(path)
    if headless:
        raw = path.read_bytes()
        path.write_bytes(bytes(8192) + raw[8192:])
    found, records = saved(path)
    assert found == Salvage(30, [], None if headless else 30)
    assert {n: sorted(v) for n, v in records.items() if v} == {
        n: sorted(v) for n, v in expected.items() if v
    }


def test_a_sequence_that_changed_is_named_and_goes_with_its_ids(places, filled):
    path, protein = places("proteins.lmdb"), filled.proteins[0]
    digest, expected = protein.digest, tables(path)
    overwrite(path, protein.sequence.encode(), b"W" * len(protein))
    found, records = saved(path)
    assert found == Salvage(29, [digest.hex()], 30)
    assert records == {name: without(expected, name, digest) for name in expected}
    assert len(records["ids"]) == len(expected["ids"]) - 2


def test_a_name_that_is_lost_is_an_id_or_the_start_of_the_digest(places, filled):
    path = places("proteins.lmdb")
    named, nameless = filled.proteins[3], filled.proteins[4]

    def change(txn, tables) -> None:
        txn.put(named.digest, b"broken", db=tables["names"])
        txn.delete(nameless.digest, db=tables["names"])
        txn.delete(b"p4", db=tables["ids"])

    found, _ = saved(path, change)
    assert found == Salvage(30, [], 30, [nameless.digest.hex()])
    table, short = ProteinTable(path.with_name("new.lmdb")), nameless.digest.hex()[:12]
    assert table.get(named.digest).id == "p3"
    assert table.get(nameless.digest).id == short
    assert table.find_id("p3") == [named.digest]
    assert table.find_id(short) == [nameless.digest]
    assert table.find_id("p4") == []
    assert table.find_id("other") == [filled.proteins[0].digest]
    assert table.find_id("") == [filled.proteins[1].digest]
    close_database(path.with_name("new.lmdb"))


@pytest.mark.parametrize("part", ["dssp", "foldseek", "plddt", "meta"])
def test_tokens_of_a_protein_are_saved_as_a_whole_or_named(places, filled, part):
    path, digest = places("tokens/alphafold2.lmdb"), filled.proteins[2].digest
    expected = tables(path)
    value = dict(expected[part])[digest]
    overwrite(path, value, value[:-1] + bytes([value[-1] ^ 1]))
    found, records = saved(path)
    assert found == Salvage(29, [digest.hex()], 30)
    assert records == {name: without(expected, name, digest) for name in expected}


@pytest.mark.parametrize("part", ["sequences", "dssp", "plddt", "meta"])
def test_what_a_page_of_before_still_holds_is_taken(places, filled, part):
    """LMDB writes pages anew elsewhere: the record that is broken now is sound there."""
    path = places("proteins.lmdb" if part == "sequences" else "tokens/alphafold2.lmdb")
    expected, digest = tables(path), filled.proteins[2].digest
    found, records = saved(path, lambda txn, tables: txn.put(digest, b"x", db=tables[part]))
    assert found == Salvage(30, [], 30)
    assert records == expected


def test_of_tokens_whose_maker_is_lost_it_is_said_and_no_other_maker_is_kept(places, filled, kit):
    path = places("tokens/alphafold2.lmdb")
    newer = filled.proteins[5]
    item = kit.tokens(newer, tool="new 2")
    for values in (*item.codes.values(), item.plddt):  # parts that stay have their old maker
        values[...] = 1
    filled.store.add_tokens([item], {}, replace=True)
    makers = {value[:-4]: key for key, value in tables(path)["provenance"]}
    (old,) = (key for raw, key in makers.items() if json.loads(raw)["tool"] == "mini3di 0.2")

    def change(txn, tables) -> None:
        txn.put(old, b"broken", db=tables["provenance"])
        idle = b'{"circumstances":{},"tool":"idle"}'
        txn.put(b"i" * 16, checked(b"i" * 16, idle), db=tables["provenance"])

    found, records = saved(path, change)
    others = sorted(p.digest.hex() for p in filled.proteins if p != newer)
    assert (found.proteins, found.lost, found.entries) == (30, [], 30)
    assert found.nameless == others
    assert {key for key, _ in records["provenance"]} == set(makers.values())
    tokens = Tokens(path.with_name("new.lmdb"))
    assert tokens.get(newer.digest).tool == "new 2"
    assert tokens.get(filled.proteins[0].digest).tool == "unknown: the record of it was broken"
    close_database(path.with_name("new.lmdb"))


def test_without_room_for_the_new_file_the_old_one_is_as_it_was(places, monkeypatch):
    path = places("tokens/alphafold2.lmdb")
    before = path.read_bytes()

    def full(*_, **__):
        raise lmdb.DiskError("x: No space left on device")

    handles = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(databases.Database, "_write_once", full)
    with pytest.raises(StorageFullError, match=r"new\.lmdb"):
        salvage(path, path.with_name("new.lmdb"))
    assert path.read_bytes() == before
    assert path.with_name("new.lmdb") not in databases._open
    assert len(os.listdir("/proc/self/fd")) == handles
