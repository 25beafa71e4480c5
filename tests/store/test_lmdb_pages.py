"""The reader of LMDB's format against LMDB itself, and against files that are cut or rubbish."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError
from sesstore.store import Store
from sesstore.store.lmdb_pages import PageFile, check_structure, check_whole


def make(path: Path, seed: int) -> lmdb.Environment:
    """A file with trees, long values, several values of one key, and pages that were freed."""
    rng = random.Random(seed)
    env = lmdb.open(str(path), subdir=False, max_dbs=9, map_size=1 << 28, sync=False)
    several, single = env.open_db(b"several", dupsort=True), env.open_db(b"single")
    for _ in range(rng.randrange(1, 5)):
        with env.begin(write=True) as txn:
            for _ in range(rng.randrange(300)):
                value = rng.randbytes(rng.randrange(1, 200))
                txn.put(b"k%d" % rng.randrange(3), value, db=several)
                key = b"z%d" % rng.randrange(60)
                if rng.random() < 0.3:
                    txn.delete(key, db=single)
                else:
                    txn.put(key, rng.randbytes(rng.randrange(1, 9000)), db=single)
    return env


def read_all(file: PageFile) -> dict[str, list[tuple[bytes, bytes]]]:
    tables = file.tables(file.metas[0])
    return {
        name: [(node.key, value) for node in file.walk(tree) for value in file.values(node)]
        for name, tree in tables.items()
    }


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_it_reads_what_lmdb_reads(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("x") / "a.lmdb"
    env = make(path, seed)
    with PageFile(path) as file:
        tables = read_all(file)
        assert file.problems == []
        for name, records in tables.items():
            table = env.open_db(name.encode(), create=False)
            with env.begin() as txn:
                assert records == [(bytes(k), bytes(v)) for k, v in txn.cursor(table)]
                assert file.tables(file.metas[0])[name].entries == len(records)
    check_whole(path)
    check_structure(path)
    env.close()


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1), rubbish=st.booleans())
def test_cut_and_broken_files_harm_nobody(tmp_path_factory, seed, share, rubbish):
    path = tmp_path_factory.mktemp("x") / "a.lmdb"
    make(path, seed).close()
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        if rubbish:
            rng = random.Random(seed)
            for _ in range(3):
                file.seek(
                    rng.randrange(pages) * 4096 + rng.choice([0, 10, 12, 16, rng.randrange(4096)])
                )
                file.write(rng.randbytes(rng.choice([2, 16, 4000])))
        else:
            file.truncate(int(share * pages) * 4096)
    with PageFile(path) as broken:
        records = read_all(broken) if broken.metas else {}
        for node in broken.leaves():
            assert all(isinstance(value, bytes) for value in broken.values(node))
    try:
        check_structure(path)
    except CorruptStoreError:
        return
    if rubbish:  # what one page claims of another may be wrong and do no harm
        return
    env = lmdb.open(str(path), subdir=False, max_dbs=9, readonly=True, lock=False)
    for name, expected in records.items():
        with env.begin() as txn:
            table = env.open_db(name.encode(), txn=txn, create=False)
            assert expected == [(bytes(k), bytes(v)) for k, v in txn.cursor(table)]
    env.close()


@pytest.mark.parametrize("percent", [0, 1, 25, 50, 90, 99])
@pytest.mark.parametrize("name", ["proteins.lmdb", "tokens/alphafold2.lmdb"])
def test_a_file_cut_short_is_an_error_of_one_line(tmp_path, kit, percent, name):
    """In a child: without the check, LMDB would end it by SIGBUS."""
    store = kit.fill(tmp_path / "store", 120, ()).store
    copy = tmp_path / "copy"
    shutil.copytree(store.path, copy, ignore=shutil.ignore_patterns("*-lock"))
    size = (copy / name).stat().st_size
    os.truncate(copy / name, size * percent // 100 // 4096 * 4096)
    child = os.fork()
    if child == 0:
        try:
            opened = Store.open(copy)
            proteins, tokens = list(opened.proteins()), list(opened.tokens("alphafold2"))
        except CorruptStoreError:
            os._exit(7)
        unique = len({p.digest for p in kit.proteins(120)})
        os._exit(7 if len(proteins) == len(tokens) == unique and percent == 99 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_file_that_shrinks_while_it_is_open_is_looked_at_again(tmp_path, kit):
    store = kit.fill(tmp_path / "store", 60, ()).store
    assert store.count_proteins()
    os.truncate(store.path / "proteins.lmdb", 8192)
    with pytest.raises(CorruptStoreError, match="cut short"):
        store.count_proteins()
