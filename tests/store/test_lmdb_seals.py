"""Seals of databases."""

from __future__ import annotations

import errno
import os

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError, StoreAccessError
from sesstore.store import lmdb_seals
from sesstore.store.atomic_files import sealed, unsealed
from sesstore.store.database import create_database
from sesstore.store.lmdb_seals import file_crc, seal_fits, seal_of, seal_path


def test_a_seal_stands_between_writes_and_only_then(tmp_path):
    path = tmp_path / "x.lmdb"
    made = create_database(path, {"t": False})
    assert not seal_fits(path, quick=False)
    made.write(lambda txn: txn.put(b"k", b"v", db=made.tables["t"]))
    assert not seal_path(path).exists()
    made.seal()
    assert seal_fits(path, quick=False)
    with pytest.raises(ZeroDivisionError):
        made.write(lambda txn: 1 // 0)
    made.seal()
    assert seal_fits(path, quick=False)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 1)
        file.write(b"!")
    with pytest.raises(CorruptStoreError, match="its seal does not fit"):
        seal_fits(path, quick=False)


def test_no_seal_stands_while_anything_changes(tmp_path):
    """A writer that is killed in mid-change must leave no seal that vouches for the file."""
    path = tmp_path / "x.lmdb"
    made = create_database(path, {"t": False})
    made.seal()
    assert not made.write(lambda txn: seal_path(path).exists())
    made.seal()
    made.add_tables(["more"])
    assert not seal_path(path).exists()


@settings(max_examples=25)
@given(st.dictionaries(st.text(max_size=5).filter(lambda key: key != "sha256"), st.integers()))
def test_a_seal_holds_for_what_it_was_made_for_only(document):
    raw = sealed(document)
    found = unsealed(raw, "here")
    assert {k: v for k, v in found.items() if k != "sha256"} == document
    for other in (raw + b" ", raw[:-1], raw.replace(b'"sha256"', b'"sha257"')):
        with pytest.raises(CorruptStoreError):
            unsealed(other, "here")


def test_a_seal_holds_size_and_sum_of_the_file(tmp_path, monkeypatch):
    """CRC-32C of "123456789" is 0xE3069283, and leading zeros are written."""
    path = tmp_path / "x.lmdb"
    path.write_bytes(b"123456789")
    for block in (1 << 22, 4):
        monkeypatch.setattr(lmdb_seals, "_BLOCK", block)
        assert file_crc(path) == 0xE3069283
    assert seal_path(path) == tmp_path / "x.lmdb.seal"
    document = unsealed(seal_of(path), seal_path(path))
    assert (document["bytes"], document["crc32c"]) == (9, "e3069283")
    small = next(b"%d" % n for n in range(99999) if google_crc32c.value(b"%d" % n) < 1 << 24)
    path.write_bytes(small)
    assert unsealed(seal_of(path), path)["crc32c"] == f"{google_crc32c.value(small):08x}"


def test_quick_compares_sizes_and_full_every_byte(tmp_path):
    path = tmp_path / "x.lmdb"
    path.write_bytes(b"123456789")
    seal_path(path).write_bytes(seal_of(path))
    path.write_bytes(b"123456780")
    assert seal_fits(path, quick=True)
    with pytest.raises(CorruptStoreError, match="its seal does not fit"):
        seal_fits(path, quick=False)
    path.write_bytes(b"12345678")
    for quick in (True, False):
        with pytest.raises(CorruptStoreError, match="its seal does not fit"):
            seal_fits(path, quick=quick)
    seal_path(path).write_bytes(b"{}")
    with pytest.raises(CorruptStoreError, match=f"^{seal_path(path)} is not what was written"):
        seal_fits(path, quick=True)


def test_a_writer_between_seal_and_file_is_no_damage(tmp_path, monkeypatch):
    """It is looked at again while seals change: until it fits, is gone, or too often."""
    path, real = tmp_path / "x.lmdb", lmdb_seals._read
    path.write_bytes(b"new")
    current = seal_of(path)
    olds = [sealed({"bytes": 3, "crc32c": f"{n:08x}"}) for n in range(9)]

    def looked(*seals: bytes | None) -> object:
        answers = list(seals)
        monkeypatch.setattr(lmdb_seals, "_read", lambda _: answers.pop(0))
        return seal_fits(path, quick=False)

    assert looked(olds[0], current, current) is True
    assert looked(olds[0], None, None) is False
    with pytest.raises(CorruptStoreError):
        looked(olds[0], olds[0], current)
    with pytest.raises(CorruptStoreError):
        looked(*(seal for n in range(5) for seal in (olds[n], olds[n + 1])))
    assert real(path) is None


def test_a_seal_that_cannot_be_read_is_no_missing_one(tmp_path, monkeypatch):
    path = tmp_path / "x.lmdb"
    path.write_bytes(b"123456789")

    def failing(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("pathlib.Path.read_bytes", failing)
    with pytest.raises(StoreAccessError, match=f"^{path} could not be read"):
        seal_fits(path, quick=True)
