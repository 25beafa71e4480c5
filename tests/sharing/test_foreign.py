"""Databases of other people are looked through before LMDB maps them."""

from __future__ import annotations

import shutil

import pytest

from sesstore.errors import CorruptStoreError
from sesstore.sharing.pull import merge
from sesstore.store import Store
from sesstore.store.lmdb_pages import PageFile
from sesstore.store.lmdb_seals import seal_of, seal_path


@pytest.mark.parametrize("name", ["proteins.lmdb", "tokens"])
def test_pages_that_would_end_lmdb_are_refused_though_the_seal_fits(template, tmp_path, name):
    theirs = tmp_path / "theirs"
    shutil.copytree(template, theirs, ignore=shutil.ignore_patterns("*-lock"))
    path = theirs / name if name.endswith(".lmdb") else next((theirs / name).glob("*.lmdb"))
    table = "sequences" if name == "proteins.lmdb" else "meta"
    with PageFile(path) as file:
        root = file.tables(file.metas[0])[table].root
    with path.open("r+b") as handle:
        handle.seek(4096 * root + 16)
        handle.write(b"\xf0\xff" * 8)  # records that lie outside their page
    seal_path(path).write_bytes(seal_of(path))
    with pytest.raises(CorruptStoreError, match="Copy it again"):
        merge(tmp_path / "mine", Store.open(theirs))
