"""Each way in which a record may be wrong is found, with the protein it is of."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import google_crc32c
import numpy as np
import pytest

from sesstore.alphabets import ALPHABETS, Alphabet
from sesstore.errors import CorruptStoreError, StoreAccessError
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.store import lmdb_check
from sesstore.store.database import (
    Database,
    checked,
    close_database,
    create_database,
    open_database,
    unchecked,
)
from sesstore.store.lmdb_check import RecordCheck, check_apart, check_records, entries
from sesstore.store.protein_table import ProteinTable
from sesstore.store.tokens import Tokens

TOKENS = "tokens/alphafold2.lmdb"
Change = Callable[[Database, object, bytes], object]


@pytest.fixture
def places(template, tmp_path) -> Callable[[str], Path]:
    """Databases of a store that lie by themselves, without seals."""
    (tmp_path / "tokens").mkdir()
    for name in (TOKENS, "proteins.lmdb"):
        shutil.copy(template.store.path / name, tmp_path / name)
    return lambda name: tmp_path / name


def put(table: str, change: Callable[[bytes], bytes | None]) -> Change:
    """Put another value in the place of a protein's, or none."""

    def apply(database: Database, txn, digest: bytes) -> None:
        place = database.tables[table]
        value = change(txn.get(digest, db=place))
        txn.delete(digest, db=place)
        if value is not None:
            txn.put(digest, value, db=place)

    return apply


def with_sum(name: str, change: Callable[[bytes], bytes]) -> Change:
    """Another value with the right sum, as a broken program would write it."""

    def apply(database: Database, txn, digest: bytes) -> None:
        raw = change(txn.get(digest, db=database.tables[name]))
        put(name, lambda _: raw)(database, txn, digest)
        of_meta(lambda meta: meta["crc"].update({name: google_crc32c.value(raw)}))(
            database, txn, digest
        )

    return apply


def of_meta(change: Callable[[dict], object]) -> Change:
    def apply(database: Database, txn, digest: bytes) -> None:
        meta = json.loads(unchecked(digest, txn.get(digest, db=database.tables["meta"]), Path()))
        change(meta)
        record = checked(digest, json.dumps(meta).encode())
        txn.put(digest, record, db=database.tables["meta"])

    return apply


def walked(path: Path, change: Change, digest: bytes) -> RecordCheck:
    database = open_database(path)
    database.write(lambda txn: change(database, txn, digest))
    return check_records(path)


def last(value: int) -> Callable[[bytes], bytes]:
    return lambda raw: raw[:-1] + bytes([value])


WRONG_TOKENS: dict[str, tuple[Change, str]] = {
    "gone": (put("dssp", lambda _: None), "the dssp record is not what was written"),
    "changed": (put("plddt", last(101)), "the plddt record is not what was written"),
    "no such code": (with_sum("foldseek", last(21)), "the foldseek record holds a code that does"),
    "no such pLDDT": (with_sum("plddt", last(101)), "the plddt record holds a code that does"),
    "too short": (with_sum("dssp", lambda raw: raw[1:]), "the dssp record has {n2} bytes for {n}"),
    "two pLDDT": (with_sum("plddt", lambda raw: raw * 2), "the plddt record has {nn} bytes for"),
    "empty": (with_sum("foldseek", lambda _: b"\0"), "the foldseek record has 1 bytes for {n}"),
    "no maker": (
        of_meta(lambda meta: meta["by"].update(dssp="00" * 16)),
        "nothing says what made its dssp record",
    ),
    "broken": (put("meta", lambda raw: b"x" + raw[1:]), "its meta record is not what was written"),
    "no length": (of_meta(lambda meta: meta.pop("length")), "its meta record is not what"),
    "no residues": (of_meta(lambda meta: meta.update(length=0)), "its meta record is not what"),
    "a list": (of_meta(lambda meta: meta.update(crc=[])), "its meta record is not what"),
    "no JSON": (
        lambda database, txn, digest: txn.put(
            digest, checked(digest, b"[["), db=database.tables["meta"]
        ),
        "its meta record is not what was written",
    ),
}


@pytest.mark.parametrize("name", WRONG_TOKENS)
def test_tokens_that_are_wrong_are_found_with_their_protein(places, template, name):
    change, said = WRONG_TOKENS[name]
    protein = max(template.proteins, key=len)
    check = walked(places(TOKENS), change, protein.digest)
    length = len(protein)
    said = said.format(n=length, nn=2 * length, n2=2 * length - 1)
    assert check.problems[0].startswith(f"{protein.digest.hex()[:12]}: {said}")
    assert check.bad == [protein.digest.hex()]
    assert check.records == 30
    others = {p.digest.hex(): len(p) for p in template.proteins if p != protein}
    assert check.lengths.items() >= others.items()


@pytest.mark.parametrize(
    "change",
    [with_sum("foldseek", last(20)), with_sum("dssp", last(8)), with_sum("plddt", last(100))],
)
def test_masks_and_full_confidence_are_sound(places, template, change):
    path, protein = places(TOKENS), template.proteins[0]
    check = walked(path, change, protein.digest)
    assert check == RecordCheck(30, lengths={p.digest.hex(): len(p) for p in template.proteins})


def test_what_belongs_to_no_protein_or_is_broken_elsewhere_is_found(places):
    path = places(TOKENS)

    def change(database: Database, txn, digest: bytes) -> None:
        txn.put(bytes(32), b"\0", db=database.tables["foldseek"])
        ((maker, value),) = list(txn.cursor(database.tables["provenance"]))
        makers.append(maker.hex())
        txn.put(maker, b"x" + value[1:], db=database.tables["provenance"])

    makers: list[str] = []
    check = walked(path, change, b"")
    assert check.problems == [
        f"the provenance record {makers[0]} is not what was written",
        "table foldseek holds records that belong to no protein",
    ]
    assert check.bad == []


WRONG_PROTEINS: dict[str, tuple[Change, str]] = {
    "sequence": (put("sequences", last(ord("B"))), "{d}: the sequence is not what was written"),
    "name": (put("names", last(0)), "{d}: the name is not what was written"),
    "no name": (put("names", lambda _: None), "{d}: the name is not what was written"),
    "no sequence": (put("sequences", lambda _: None), "there are not as many names as sequences"),
    "id": (
        lambda database, txn, digest: txn.put(b"mine", digest + b"1234", db=database.tables["ids"]),
        "the id record b'mine' is not what was written",
    ),
    "id of nothing": (
        lambda database, txn, digest: txn.put(
            b"mine", checked(b"mine", bytes(32)), db=database.tables["ids"]
        ),
        "the id b'mine' names a sequence that is not there",
    ),
}


@pytest.mark.parametrize("name", WRONG_PROTEINS)
def test_proteins_that_are_wrong_are_found(places, template, name):
    change, said = WRONG_PROTEINS[name]
    protein = template.proteins[3]
    check = walked(places("proteins.lmdb"), change, protein.digest)
    assert check.problems[0] == said.format(d=protein.digest.hex()[:12])
    assert check.bad == ([protein.digest.hex()] if "{d}" in said else [])
    assert check.records == 30 - (name == "no sequence")


def test_a_transaction_that_left_no_number_is_found(places):
    """As of a page of before that came back beside newer ones."""
    path = places("proteins.lmdb")
    database = open_database(path)
    with database._env.begin(write=True) as txn:
        txn.put(b"other", b"1", db=database.tables["state"])
    assert check_records(path).problems == ["its last transaction is not the one it was left with"]


def test_who_may_only_read_walks_a_copy_that_goes_again(places, monkeypatch, tmp_path):
    path = places(TOKENS)
    expected = check_records(path)
    close_database(path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(p.name for p in tmp_path.iterdir())
    assert check_records(path) == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert open_database(path).read_only
    close_database(path)


@pytest.mark.parametrize(
    ("status", "output", "errors", "said"),
    [
        (0, '{"refused": "no room"}', "", "no room"),
        (-signal.SIGKILL, "", "", "exit status -9"),
        (-signal.SIGBUS, "", "", "exit status -7"),
        (1, "", "Traceback\nMemoryError: x\n\n", r"\(MemoryError: x\).*more memory"),
    ],
)
def test_a_child_that_was_not_let_finish_says_nothing_of_the_file(
    places, monkeypatch, status, output, errors, said
):
    path, commands = places("proteins.lmdb"), []

    def run(command, **_):
        commands.append(command)
        return SimpleNamespace(returncode=status, stdout=output, stderr=errors)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(StoreAccessError, match=said):
        check_apart(path)
    assert commands == [[sys.executable, "-m", "sesstore.store.lmdb_check", str(path)]]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_child_that_crashes_is_a_finding_unless_memory_was_short(places, monkeypatch, number):
    path = places("proteins.lmdb")
    child = SimpleNamespace(returncode=-number, stdout="", stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: child)
    monkeypatch.setattr(lmdb_check.resource, "getrlimit", lambda _: (-1, -1))
    found = check_apart(path)
    assert found == RecordCheck(problems=[f"LMDB cannot read it (signal {int(number)})"])
    monkeypatch.setattr(lmdb_check.resource, "getrlimit", lambda _: (1 << 40, -1))
    with pytest.raises(StoreAccessError, match="ended early"):
        check_apart(path)
    monkeypatch.setattr(lmdb_check, "file_crc", lambda _: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError):  # before any child begins
        check_apart(path)


def test_the_child_says_what_was_refused(places, monkeypatch):
    path = places("proteins.lmdb")
    answer = lmdb_check._answer(path)
    assert RecordCheck(**json.loads(json.dumps(answer))) == check_records(path)

    def refused(_):
        raise problems.pop()

    problems = [MemoryError(), StoreAccessError("why")]
    monkeypatch.setattr(lmdb_check, "check_records", refused)
    assert lmdb_check._answer(path) == {"refused": "why"}
    said = lmdb_check._answer(path)["refused"]
    assert said.startswith(f"{path} could not be read or written: {os.strerror(errno.ENOMEM)}")


def test_what_is_rare_is_sound(places):
    """One residue; an id of several sequences; codes of an alphabet that is declared no more."""
    ALPHABETS["turns"] = Alphabet("turns", "AB")
    codes = {"turns": np.uint8([[1]]), "dssp": np.uint8([[8]])}
    item = StructureTokens(bytes(32), "alphafold2", codes, np.uint8([0]), "t")
    assert Tokens(places(TOKENS)).add([item], {}) == 1
    del ALPHABETS["turns"]
    found = check_records(places(TOKENS))
    assert (found.problems, found.lengths[bytes(32).hex()]) == ([], 1)
    table = ProteinTable(places("proteins.lmdb"))
    assert table.add([Protein("p0", "W"), Protein("p0", "WW")]) == 2
    assert len(table.find_id("p0")) == 3
    assert check_records(places("proteins.lmdb")) == RecordCheck(32)


def test_what_cannot_be_walked_to_its_end_is_a_problem(tmp_path):
    path = tmp_path / "x.lmdb"
    create_database(path, {"meta": False})
    (problem,) = check_records(path).problems
    assert problem.startswith("cannot be read to the end: ")
    with pytest.raises(CorruptStoreError, match=f"^{tmp_path / 'none.lmdb'} is no database of"):
        entries(tmp_path / "none.lmdb")


def test_a_file_that_is_not_there_is_a_problem(tmp_path, places):
    assert check_records(tmp_path / "none.lmdb").problems == ["there is no such file"]
    assert entries(places(TOKENS)) == 30
