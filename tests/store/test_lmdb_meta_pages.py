"""What a file's first pages say is believed only where LMDB could have written it."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from sesstore.errors import CorruptStoreError, StoreAccessError
from sesstore.store import lmdb_pages
from sesstore.store.lmdb_pages import Meta, PageFile, Tree, check_structure, check_whole

PAGE = 4096
LONG = bytes(range(256)) * 40
"""A value of three pages."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A table of long and short values and one of several a key, in two transactions."""
    path = tmp_path / "x.lmdb"
    with lmdb.open(str(path), subdir=False, max_dbs=4, map_size=1 << 24, sync=False) as env:
        one, several = env.open_db(b"one"), env.open_db(b"several", dupsort=True)
        for state in (b"old", b"new"):
            with env.begin(write=True) as txn:
                txn.put(b"long", LONG, db=one)
                txn.put(b"state", state, db=one)
                for number in range(3):
                    txn.put(b"k", b"%d" % number, db=several)
    return path


@pytest.fixture
def no_handle_stays() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


def patch(path: Path, place: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)


def states(path: Path) -> list[bytes]:
    """What each valid meta page leads to as the record called `state`."""
    with PageFile(path) as file:
        return [
            next(file.values(node))
            for meta in file.metas
            for node in file.walk(file.tables(meta)["one"])
            if node.key == b"state"
        ]


def newest(path: Path) -> int:
    """Number of the meta page that was written last."""
    with path.open("rb") as file:
        transactions = []
        for page in range(2):
            file.seek(page * PAGE + 16 + 128)  # the header; magic to the last page in use
            transactions.append(struct.unpack("<Q", file.read(8))[0])
    return transactions.index(max(transactions))


def test_the_newest_state_comes_first_and_says_what_lmdb_says(path, no_handle_stays):
    assert states(path) == [b"new", b"old"]
    with lmdb.open(str(path), subdir=False, readonly=True, lock=False) as env:
        info = env.info()
    with PageFile(path) as file:
        first, second = file.metas
        assert (first.transaction, first.last_page) == (info["last_txnid"], info["last_pgno"])
        assert second.transaction == first.transaction - 1
        assert (first.page_bytes, file.page_bytes, file.bytes) == (PAGE, PAGE, path.stat().st_size)
        assert first.bytes == (info["last_pgno"] + 1) * PAGE
        assert {name: tree.entries for name, tree in file.tables(first).items()} == {
            "one": 2, "several": 3
        }  # fmt: skip
        assert first.names.entries == 2


@pytest.mark.parametrize(
    ("place", "data"),
    [
        (10, struct.pack("<H", 2)),  # flags of a leaf
        (16, struct.pack("<I", 0xBEEFC0DF)),  # magic
        (20, struct.pack("<I", 2)),  # version
        (40, struct.pack("<I", 1000)),  # size of a page
        (40, struct.pack("<I", 8192)),  # that of another page than it lies on
        (136, struct.pack("<Q", 0)),  # last page in use
        (136, struct.pack("<Q", 1 << 48)),
    ],
)
def test_a_broken_meta_page_leaves_the_state_before(path, no_handle_stays, place, data):
    page = newest(path)
    if data == struct.pack("<I", 8192) and page == 0:
        return  # the first page is where it is, whatever its size
    patch(path, page * PAGE + place, data)
    assert states(path) == [b"old"]
    patch(path, (1 - page) * PAGE + 16, b"none")
    assert states(path) == []
    with PageFile(path) as file:
        assert {node.key for node in file.leaves()} >= {b"long", b"state", b"k"}
        longs = [next(file.values(node)) for node in file.leaves() if node.key == b"long"]
        assert LONG in longs
    with pytest.raises(CorruptStoreError, match="does not begin as an LMDB file does"):
        check_whole(path)


def test_a_file_as_long_as_its_pages_is_whole_and_one_that_lacks_used_ones_is_not(
    path, no_handle_stays
):
    with PageFile(path) as file:
        size = file.metas[0].bytes
        root = file.metas[0].names.root
    os.truncate(path, size)
    check_whole(path)
    os.truncate(path, size - 1)
    with PageFile(path) as file:
        nodes = [n for t in file.tables(file.metas[0]).values() for n in file.walk(t)]
        lost = bool(file.problems) or any(node.value is None for node in nodes)
    if lost:
        with pytest.raises(CorruptStoreError, match=f"^{path} is cut short or broken .*repair"):
            check_whole(path)
    else:  # nothing leads to its last page
        check_whole(path)
    os.truncate(path, root * PAGE)
    with pytest.raises(CorruptStoreError, match=rf"page {root} lies beyond the end of the file"):
        check_whole(path)


def test_a_page_that_leads_to_itself_ends_the_walk(tmp_path, no_handle_stays):
    path = tmp_path / "x.lmdb"
    with lmdb.open(str(path), subdir=False, max_dbs=4, map_size=1 << 24, sync=False) as env:
        table = env.open_db(b"one")
        with env.begin(write=True) as txn:
            for number in range(400):
                txn.put(b"%04d" % number, bytes(30), db=table)
    with PageFile(path) as file:
        root = file.tables(file.metas[0])["one"].root
        assert len(list(file.walk(Tree(root, 400)))) == 400
        assert list(file.walk(Tree(None, 0))) == []
    raw = path.read_bytes()[root * PAGE : (root + 1) * PAGE]
    assert struct.unpack_from("<H", raw, 10)[0] == 1  # a branch
    (first,) = struct.unpack_from("<H", raw, 16)
    children = (struct.unpack_from("<H", raw, 12)[0] - 16) // 2
    patch(path, root * PAGE + first, struct.pack("<HHH", root, 0, 0))
    with PageFile(path) as file:
        keys = [node.key for node in file.walk(Tree(root, 400))]
        assert file.problems == [f"page {root} stands in its tree twice"]
    assert keys == sorted(keys)
    assert 400 - 2 * 400 // children < len(keys) < 400
    with pytest.raises(CorruptStoreError, match=rf"page {root} stands in its tree twice"):
        check_structure(path)


def test_a_long_value_whose_pages_are_others_is_lost_and_no_other(path, no_handle_stays):
    """Its number, its kind, its room: any of them tells."""
    raw = path.read_bytes()
    with PageFile(path) as file:
        (node,) = (n for n in file.walk(file.tables(file.metas[0])["one"]) if n.key == b"long")
        start = node.value.start - 16
        assert file.read(node.value) == LONG
    for place, data in ((0, b"\xff"), (10, b"\x02"), (12, struct.pack("<HH", 2, 0))):
        path.write_bytes(raw)
        patch(path, start + place, data)
        with PageFile(path) as file:
            nodes = {n.key: n.value for n in file.walk(file.tables(file.metas[0])["one"])}
            assert nodes[b"long"] is None
            assert file.read(nodes[b"state"]) == b"new"
        said = f"value of {b'long'.hex()} lies beyond its end"
        with pytest.raises(CorruptStoreError, match=said):
            check_structure(path)


def test_only_tables_are_tables(path):
    """Not a record of their size among their names, nor what no text names."""
    with lmdb.open(str(path), subdir=False, max_dbs=4, map_size=1 << 24, sync=False) as env:
        env.open_db(b"\xff")
        with env.begin(write=True) as txn:
            txn.put(b"plain", bytes(48))
    with PageFile(path) as file:
        assert file.metas[0].names.entries == 4
        assert file.tables(file.metas[0]).keys() == {"one", "several"}
        assert file.problems == []
    check_structure(path)


@pytest.mark.parametrize(
    ("place", "data", "said"),
    [
        (12, 0xFFFE, "has impossible bounds"),  # the end of the pointers
        (12, 14, "has impossible bounds"),
        (12, 21, "has impossible bounds"),
        (14, 17, "has impossible bounds"),  # the begin of the records
        (16, 12, "has records outside itself"),  # the first record
        (16, 0xFFF0, "has records outside itself"),
    ],
)
@pytest.mark.parametrize("kind", ["leaf", "several"])
def test_bounds_and_pointers_stay_inside_their_page(path, kind, place, data, said):
    """Of a leaf, and of the small page that holds several values of a key."""
    with PageFile(path) as file:
        tables = file.tables(file.metas[0])
        start = tables["one"].root * PAGE
        if kind == "several":
            (node,) = file.walk(tables["several"])
            start = node.value.start
    patch(path, start + place, struct.pack("<H", data))
    with PageFile(path) as file:
        table = file.tables(file.metas[0])["one" if kind == "leaf" else "several"]
        values = [value for node in file.walk(table) for value in file.values(node)]
        assert values == []
        assert len(file.problems) == 1
        assert said in file.problems[0]
    with pytest.raises(CorruptStoreError, match=said):
        check_structure(path)


def test_a_file_that_somebody_writes_is_looked_at_again(path, monkeypatch):
    answers: list[str | None] = []
    monkeypatch.setattr(lmdb_pages, "_tree_problem", lambda file: answers.pop(0))
    for moved, problems, left in (
        (True, ["x"] * 4 + [None], 0),
        (False, ["x", None], 1),
        (True, ["x"] * 6, 1),
    ):
        monkeypatch.setattr(PageFile, "moved", lambda self, moved=moved: moved)
        answers[:] = problems
        if left:
            with pytest.raises(CorruptStoreError, match=r"broken \(x\)"):
                check_structure(path)
        else:
            check_structure(path)
        assert len(answers) == left


def test_it_is_told_when_somebody_wrote(path):
    with PageFile(path) as file:
        assert not file.moved()
        with lmdb.open(str(path), subdir=False, max_dbs=4, map_size=1 << 24, sync=False) as env:
            table = env.open_db(b"one")
            with env.begin(write=True) as txn:
                txn.put(b"state", b"newest", db=table)
        assert file.moved()


def test_what_is_no_file_or_cannot_be_read_is_no_damage(tmp_path, path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        check_whole(tmp_path / "none")
    (tmp_path / "short").write_bytes(b"x")
    with pytest.raises(CorruptStoreError):
        check_whole(tmp_path / "short")

    def failing(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(StoreAccessError, match=f"^{path} could not be read"):
        check_whole(path)


def test_sizes_of_pages_other_than_the_usual_are_read():
    """As of a machine with pages of 64 KiB: the second meta page lies behind the first."""
    names = Tree(None, 0)
    head = struct.pack("<QHHHH", 0, 0, 8, 0, 0)
    tree = struct.pack("<IHHQQQQQ", 1 << 16, 0, 0, 0, 0, 0, 0, 2**64 - 1)

    def meta(transaction: int) -> bytes:
        tail = struct.pack("<QQ", 3, transaction)
        return head + struct.pack("<IIQQ", 0xBEEFC0DE, 1, 0, 1 << 30) + 2 * tree + tail

    raw = meta(4).ljust(1 << 16, b"\0") + meta(5).ljust(1 << 16, b"\0")
    for first in (raw, bytes(1 << 16) + raw[1 << 16 :]):  # also where the first is broken
        file = PageFile.__new__(PageFile)
        file.path = Path("x")
        file.read = lambda place, first=first: first[place.start : place.start + place.size]
        expected = [Meta(n, 1 << 16, 3, names) for n in (5, 4)]
        assert file._read_metas() == (expected if first is raw else expected[:1])
