"""Seals of databases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError
from sesstore.store.atomic_files import sealed, unsealed
from sesstore.store.database import create_database
from sesstore.store.lmdb_seals import seal_fits, seal_path


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


@given(st.dictionaries(st.text(max_size=5).filter(lambda key: key != "sha256"), st.integers()))
def test_a_seal_holds_for_what_it_was_made_for_only(document):
    raw = sealed(document)
    found = unsealed(raw, "here")
    assert {k: v for k, v in found.items() if k != "sha256"} == document
    for other in (raw + b" ", raw[:-1], raw.replace(b'"sha256"', b'"sha257"')):
        with pytest.raises(CorruptStoreError):
            unsealed(other, "here")
