"""Read LMDB's file format without LMDB.

LMDB maps a file and trusts it: a file cut short or a broken page ends the process (SIGBUS,
SIGSEGV). Here every page is read by ``pread`` and every offset is checked, so nothing a file holds
can do harm. Three things need that: to see on opening that a file is whole, to check the structure
of a file that comes from elsewhere before LMDB maps it, and to save what a broken file still holds.

Format (LMDB 0.9, data version 1, little-endian): pages of one size; the first two are meta pages
with the roots of two trees (free pages; names of tables), the last page in use and the transaction.
A table is a record (flag SUBDATA) of the tree of names. Trees have branch pages (keys and page
numbers) and leaf pages (keys and values); a value that is too long lies on overflow pages of its
own; several values of one key are a page inside the record, or a tree.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from ..errors import CorruptStoreError
from .access import system_errors

_MAGIC = 0xBEEFC0DE
_VERSION = 1
_HEADER = struct.Struct("<QHHHH")
_META = struct.Struct("<IIQQ")
_TREE = struct.Struct("<IHHQQQQQ")
_TAIL = struct.Struct("<QQ")
_NODE = struct.Struct("<HHHH")
_PAGE_NUMBER = struct.Struct("<Q")
_HEAD = _HEADER.size
_META_BYTES = _HEAD + _META.size + 2 * _TREE.size + _TAIL.size
_BRANCH, _LEAF, _OVERFLOW, _META_PAGE = 1, 2, 4, 8
_BIG, _SUBTREE, _SEVERAL = 1, 2, 4
_NO_PAGE = 2**64 - 1
_DEEPEST = 32
_USUAL_PAGE = 4096
_ATTEMPTS = 5
_PAGE_SIZES = {1 << power for power in range(9, 17)}


@dataclass(frozen=True)
class Tree:
    """Root of a tree of pages.

    Parameters
    ----------
    root : int
        Page number; None where the tree is empty.
    entries : int
        Values in it, by LMDB's own count.
    """

    root: int | None
    entries: int


@dataclass(frozen=True)
class Meta:
    """A meta page: one committed state of the file.

    Parameters
    ----------
    transaction : int
        The transaction that wrote it.
    page_bytes : int
        Size of a page.
    last_page : int
        Number of the last page in use.
    names : Tree
        The tree of the tables' names.
    """

    transaction: int
    page_bytes: int
    last_page: int
    names: Tree

    @property
    def bytes(self) -> int:
        """Size of the file with all its pages."""
        return (self.last_page + 1) * self.page_bytes


class Place(NamedTuple):
    """Where a value lies in the file."""

    start: int
    size: int


class Node(NamedTuple):
    """One record of a leaf page: key, flags, and where its value lies (None: beyond the end)."""

    key: bytes
    flags: int
    value: Place | None


class BrokenPageError(CorruptStoreError):
    """A page is not one LMDB could have written there."""


class PageFile:
    """An LMDB file, read page by page. Use it in a ``with`` block.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    StoreAccessError
        The system does not let it be read.
    FileNotFoundError
        There is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with system_errors(path):
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.metas = self._read_metas()
        """Valid meta pages, the newest first; none where both are broken."""
        with system_errors(path):
            self.bytes = os.fstat(self._handle).st_size
        self.page_bytes = self.metas[0].page_bytes if self.metas else _USUAL_PAGE
        self.problems: list[str] = []
        """What `walk` could not read, one line each."""

    def __enter__(self) -> PageFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._handle)

    def read(self, place: Place) -> bytes:
        """Return the bytes at a place, fewer where the file ends before."""
        with system_errors(self.path):
            return os.pread(self._handle, place.size, place.start)

    def tables(self, meta: Meta) -> dict[str, Tree]:
        """Tables of a committed state, as far as their names can be read."""
        return dict(self._tables_of(self.walk(meta.names)))

    def walk(self, tree: Tree) -> Iterator[Node]:
        """Yield the records of a tree in order; broken pages are noted and passed over."""
        if tree.root is not None:
            yield from self._walk(tree.root, set(), 0)

    def values(self, node: Node) -> Iterator[bytes]:
        """Yield the values of a record: several where a key has several."""
        raw = b"" if node.value is None else self.read(node.value)
        if not node.flags & _SEVERAL:
            yield raw
        elif node.flags & _SUBTREE:
            yield from (inner.key for inner in self.walk(_tree(raw)))
        else:
            try:
                yield from (inner.key for inner in _nodes(raw, 0))
            except BrokenPageError as problem:
                self.problems.append(str(problem))

    def leaves(self) -> Iterator[Node]:
        """Yield the records of every leaf page there is, also of pages no tree leads to."""
        for number in range(self.bytes // self.page_bytes):
            raw = self._page(number)
            try:
                stands_at, flags, _, _ = _header(raw)
                if flags == _LEAF and stands_at == number:
                    yield from self._leaf(raw, number)
            except BrokenPageError:
                continue

    def moved(self) -> bool:
        """Whether somebody has written since the file was opened."""
        metas = self._read_metas()
        return [meta.transaction for meta in metas] != [meta.transaction for meta in self.metas]

    def _tables_of(self, nodes: Iterator[Node]) -> Iterator[tuple[str, Tree]]:
        for node in nodes:
            sized = node.value is not None and node.value.size == _TREE.size
            if node.flags & (_SUBTREE | _SEVERAL) == _SUBTREE and sized and node.value:
                raw = self.read(node.value)
                if len(raw) == _TREE.size and node.key.isascii():
                    yield node.key.decode("ascii"), _tree(raw)

    def _walk(self, number: int, visited: set[int], depth: int) -> Iterator[Node]:
        try:
            if number in visited or depth > _DEEPEST:
                raise BrokenPageError(f"page {number} stands in its tree twice")
            visited.add(number)
            raw = self._page(number)
            stands_at, flags, _, _ = _header(raw)
            if stands_at != number or flags not in (_BRANCH, _LEAF):
                raise BrokenPageError(f"page {number} is no page of a tree")
            leaf = list(self._leaf(raw, number)) if flags == _LEAF else []
            children = _children(raw) if flags == _BRANCH else []
        except BrokenPageError as problem:
            self.problems.append(str(problem))
            return
        yield from leaf
        for child in children:
            yield from self._walk(child, visited, depth + 1)

    def _leaf(self, raw: bytes, number: int) -> Iterator[Node]:
        start = number * self.page_bytes
        for node in _nodes(raw, start):
            if node.value is not None and node.flags & _BIG:
                yield node._replace(value=self._overflow(raw, start, node.value))
            else:
                yield node

    def _overflow(self, raw: bytes, start: int, value: Place) -> Place | None:
        """Where a long value lies, if its pages are there."""
        at = value.start - start
        (first,) = _PAGE_NUMBER.unpack_from(raw, at)
        head = self.read(Place(first * self.page_bytes, _HEAD)) if first < 1 << 48 else b""
        if len(head) < _HEAD:
            return None
        stands_at, flags, low, high = _HEADER.unpack(head)[0], *_HEADER.unpack(head)[2:]
        room = (low | high << 16) * self.page_bytes - _HEAD
        place = Place(first * self.page_bytes + _HEAD, value.size)
        if stands_at != first or flags != _OVERFLOW or room < value.size:
            return None
        return place if place.start + place.size <= self.bytes else None

    def _page(self, number: int) -> bytes:
        if number >= 1 << 48:
            raise BrokenPageError(f"there is no page {number}")
        raw = self.read(Place(number * self.page_bytes, self.page_bytes))
        if len(raw) < self.page_bytes:
            raise BrokenPageError(f"page {number} lies beyond the end of the file")
        return raw

    def _read_metas(self) -> list[Meta]:
        first = _meta(self.read(Place(0, _META_BYTES)))
        sizes = [first.page_bytes] if first else sorted(_PAGE_SIZES)
        second_metas = (_meta(self.read(Place(size, _META_BYTES)), size) for size in sizes)
        metas = [meta for meta in (first, *second_metas) if meta is not None]
        return sorted(metas, key=lambda meta: -meta.transaction)


def _meta(raw: bytes, page_bytes: int | None = None) -> Meta | None:
    """Meta page of these bytes, if they are one."""
    if len(raw) < _META_BYTES:
        return None
    flags = _HEADER.unpack_from(raw)[2]
    magic, version, _, _ = _META.unpack_from(raw, _HEAD)
    size = _TREE.unpack_from(raw, _HEAD + _META.size)[0]
    last, transaction = _TAIL.unpack_from(raw, _META_BYTES - _TAIL.size)
    if flags != _META_PAGE or (magic, version) != (_MAGIC, _VERSION) or size not in _PAGE_SIZES:
        return None
    if page_bytes not in (None, size) or not 1 <= last < 1 << 48:
        return None
    names = _tree(raw[_HEAD + _META.size + _TREE.size :])
    return Meta(transaction, size, last, names)


def _tree(raw: bytes) -> Tree:
    if len(raw) < _TREE.size:
        return Tree(None, 0)
    *_, entries, root = _TREE.unpack_from(raw)
    return Tree(None if root == _NO_PAGE else root, entries)


def _header(raw: bytes) -> tuple[int, int, int, int]:
    """Number, flags, and the bounds of the free room of a page."""
    number, _, flags, lower, upper = _HEADER.unpack_from(raw)
    return number, flags & ~0x10, lower, upper


def _pointers(raw: bytes) -> tuple[int, ...]:
    """Offsets of the nodes of a page, all of them inside it."""
    if len(raw) < _HEAD:
        raise BrokenPageError("a page is cut")
    number, _, lower, upper = _header(raw)
    if not _HEAD <= lower <= upper <= len(raw) or lower % 2:
        raise BrokenPageError(f"page {number} has impossible bounds")
    pointers = struct.unpack_from(f"<{(lower - _HEAD) // 2}H", raw, _HEAD)
    if pointers and (min(pointers) < upper or max(pointers) + _NODE.size > len(raw)):
        raise BrokenPageError(f"page {number} has records outside itself")
    return pointers


def _nodes(raw: bytes, start: int) -> Iterator[Node]:
    """Records of a leaf page (or of a page inside a record) that lies at `start`."""
    for at in _pointers(raw):
        low, high, flags, key_bytes = _NODE.unpack_from(raw, at)
        key_at, size = at + _NODE.size, low | high << 16
        stop = key_at + key_bytes + (_PAGE_NUMBER.size if flags & _BIG else size)
        if stop > len(raw) or flags > (_BIG | _SUBTREE | _SEVERAL):
            raise BrokenPageError("a record reaches beyond its page")
        yield Node(raw[key_at : key_at + key_bytes], flags, Place(start + key_at + key_bytes, size))


def _children(raw: bytes) -> list[int]:
    children = []
    for at in _pointers(raw):
        low, high, flags, key_bytes = _NODE.unpack_from(raw, at)
        if at + _NODE.size + key_bytes > len(raw):
            raise BrokenPageError("a key reaches beyond its page")
        children.append(low | high << 16 | flags << 32)
    if len(children) < 2:  # LMDB would abort on it
        raise BrokenPageError("a branch page has less than two branches")
    return children


def check_whole(path: Path) -> None:
    """See that a file has all its pages, so that mapping it is safe; reads a few hundred bytes.

    A file may lack pages at its end that no tree leads to: then the trees are walked.

    Raises
    ------
    CorruptStoreError
        It is cut short, or no LMDB file.
    StoreAccessError
        The system does not let it be read.
    """
    with PageFile(path) as file:
        if file.metas and file.bytes >= file.metas[0].bytes:
            return
    check_structure(path)


def check_structure(path: Path) -> None:
    """Walk every page of a file that comes from elsewhere, before LMDB maps it.

    Raises
    ------
    CorruptStoreError
        A page is not one LMDB could have written there.
    StoreAccessError
        The system does not let it be read.
    """
    for attempt in range(_ATTEMPTS):
        with PageFile(path) as file:
            problem = _tree_problem(file)
            # While somebody writes, pages of the state that was read may be used again: look again.
            if problem and (attempt == _ATTEMPTS - 1 or not file.moved()):
                raise CorruptStoreError(
                    f"{path} is cut short or broken ({problem}). Copy it again from where it came, "
                    f"or save what it still holds with `sesstore repair`"
                )
        if not problem:
            return


def _tree_problem(file: PageFile) -> str | None:
    """The first thing that is wrong with the trees of a file's newest state."""
    if not file.metas:
        return "it does not begin as an LMDB file does"
    for tree in file.tables(file.metas[0]).values():
        for node in file.walk(tree):
            if node.value is None:
                return f"the value of {node.key[:12].hex()} lies beyond its end"
            if node.flags & _SEVERAL:
                deque(file.values(node), maxlen=0)
        if file.problems:
            return f"{file.problems[0]}; {file.bytes:,} bytes of {file.metas[0].bytes:,}"
    return file.problems[0] if file.problems else None
