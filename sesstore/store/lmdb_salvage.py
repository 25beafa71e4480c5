"""Save what a broken LMDB file still holds: copy its sound records into a new one.

The file is read page by page (see `lmdb_pages`) and never by LMDB, so nothing in it can end the
process: a file cut short gives what lies before the cut, one without its first pages what its leaf
pages hold. Every record is checked by its own sum before it is taken, and copied as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c

from ..batches import batches
from ..errors import CorruptStoreError
from ..proteins import DIGEST_BYTES
from ..provenance import canonical_json
from . import layout, protein_table, tokens
from .database import STATE, checked, close_database, create_database, unchecked
from .lmdb_pages import Node, PageFile, Place

if TYPE_CHECKING:
    from .database import Txn

_BATCH = 2048
_UNKNOWN = {"tool": "unknown: the record of it was broken", "circumstances": {}}

Row = tuple[str, bytes, bytes]
"""Table, key and value of a record."""


@dataclass(frozen=True)
class Salvage:
    """What could be saved.

    Parameters
    ----------
    proteins : int
        Proteins in the new file.
    lost : list of str
        Digests (hexadecimal) whose records are broken, as far as the file still says.
    entries : int, optional
        How many proteins the file says it held; None if nothing in it says so.
    nameless : list of str
        Digests of sequences whose ids are lost (they are called by the start of their digest), or
        of tokens of which it is no longer known what made them.
    """

    proteins: int
    lost: list[str]
    entries: int | None
    nameless: list[str] = field(default_factory=list)


def salvage(old: Path, new: Path) -> Salvage:
    """Copy the sound records of one file into a new one, which is whole and synced afterwards.

    Raises
    ------
    StorageFullError
        No space for the new one.
    StoreAccessError
        The system does not let the old one be read.
    """
    is_proteins = layout.holds_proteins(old)
    with PageFile(old) as file:
        records = _Proteins(file) if is_proteins else _Tokens(file)
        records.collect()
        tables = protein_table.TABLES if is_proteins else tokens.TABLES
        _write(new, {**tables, **dict.fromkeys(records.tables(), False)}, records.rows())
        newest = file.tables(file.metas[0]) if file.metas else {}
    lost = sorted(digest.hex() for digest in records.damaged - records.sound)
    entries = newest[records.count].entries if records.count in newest else None
    nameless = sorted(digest.hex() for digest in records.nameless)
    return Salvage(len(records.sound), lost, entries, nameless)


def _write(path: Path, tables: dict[str, bool], rows: Iterator[Row]) -> None:
    database = create_database(path, tables)
    try:
        for batch in batches(rows, _BATCH):
            database.write(_insertion(database.table, batch))
    finally:
        close_database(path)


def _insertion(table: Callable[[str, Txn], Any], batch: list[Row]) -> Callable[[Txn], None]:
    def insert(txn: Txn) -> None:
        for name, key, value in batch:
            txn.put(key, value, db=table(name, txn), dupdata=True)

    return insert


@dataclass
class _Records:
    """Records of a file: those its trees lead to, and if a page of them is broken all others."""

    file: PageFile
    sound: set[bytes] = field(default_factory=set)
    damaged: set[bytes] = field(default_factory=set)
    nameless: set[bytes] = field(default_factory=set)
    count = ""

    def collect(self) -> None:
        complete = bool(self.file.metas)
        if complete:
            for name, tree in self.file.tables(self.file.metas[0]).items():
                for node in self.file.walk(tree):
                    self.take(name, node)
                    complete = complete and node.value is not None
        self.join()
        if not complete or self.file.problems or self.damaged:
            for node in self.file.leaves():
                self.take("", node)
            self.join()

    def take(self, table: str, node: Node) -> None:
        """Take in a record; of a page no tree leads to the table is not known."""
        raise NotImplementedError

    def join(self) -> None:
        """Put together what was taken in; called again when there is more."""

    def tables(self) -> Iterable[str]:
        return ()

    def rows(self) -> Iterator[Row]:
        raise NotImplementedError


class _Proteins(_Records):
    count = "sequences"

    def __init__(self, file: PageFile) -> None:
        super().__init__(file)
        self._sequences: dict[bytes, Place] = {}
        self._names: dict[bytes, bytes] = {}
        self._ids: dict[tuple[bytes, bytes], None] = {}

    def take(self, table: str, node: Node) -> None:
        values = list(self.file.values(node))
        for value in values:
            is_digest = len(node.key) == DIGEST_BYTES
            if table in ("sequences", "") and is_digest and sha256(value).digest() == node.key:
                if node.value is not None:
                    self._sequences.setdefault(node.key, node.value)
                    self.sound.add(node.key)
            elif table == "sequences" and is_digest:
                self.damaged.add(node.key)
            elif _is_checked(node.key, value, self.file.path):
                if table in ("names", "") and is_digest:
                    self._names.setdefault(node.key, value)
                if table in ("ids", "") and len(value) == DIGEST_BYTES + 4:
                    self._ids[node.key, value] = None

    def rows(self) -> Iterator[Row]:
        keys = {value[:-4]: key for key, value in self._ids}
        for digest, place in sorted(self._sequences.items()):
            yield "sequences", digest, self.file.read(place)
            name = self._names.get(digest)
            if name is None:
                if digest not in keys:
                    self.nameless.add(digest)
                name = checked(digest, keys.get(digest, digest.hex()[:12].encode()))
            yield "names", digest, name
            key = protein_table.id_key(name[:-4].decode("utf-8", "replace"))
            yield "ids", key, checked(key, digest)
        for key, value in self._ids:
            if value[:-4] in self._sequences:
                yield "ids", key, value


class _Tokens(_Records):
    count = "meta"

    def __init__(self, file: PageFile) -> None:
        super().__init__(file)
        self._metas: dict[bytes, list[tuple[bytes, dict[str, Any]]]] = {}
        self._codes: dict[bytes, list[Place]] = {}
        self._makers: dict[bytes, bytes] = {}
        self._parts: dict[bytes, tuple[bytes, dict[str, Place]]] = {}

    def take(self, table: str, node: Node) -> None:
        if node.value is None or node.flags & ~1 or table == STATE:
            return
        is_digest = len(node.key) == DIGEST_BYTES
        if table in ("meta", "provenance", ""):
            value = self.file.read(node.value)
            document = _document(node.key, value, self.file.path)
            if is_digest and document is not None and {"crc", "by", "length"} <= document.keys():
                self._metas.setdefault(node.key, []).append((value, document))
                return
            if table == "meta" and is_digest:
                self.damaged.add(node.key)
            elif document is not None and "tool" in document:
                self._makers.setdefault(node.key, value)
        if is_digest and table not in ("meta", "provenance"):
            self._codes.setdefault(node.key, []).append(node.value)

    def join(self) -> None:
        for digest in (self._metas.keys() | self._codes.keys()) - self.sound:
            self._join(digest)

    def _join(self, digest: bytes) -> None:
        """Find the codes of each part a protein's record names; all must be there."""
        for record, meta in self._metas.get(digest, ()):
            parts = {name: self._sound(digest, crc) for name, crc in meta["crc"].items()}
            complete = {name: place for name, place in parts.items() if place is not None}
            if len(complete) == len(parts):
                self._parts[digest] = record, complete
                self.sound.add(digest)
                return
        self.damaged.add(digest)

    def _sound(self, digest: bytes, crc: int) -> Place | None:
        for place in self._codes.get(digest, ()):
            if google_crc32c.value(self.file.read(place)) == crc:
                return place
        return None

    def tables(self) -> Iterable[str]:
        return {name for _, parts in self._parts.values() for name in parts}

    def rows(self) -> Iterator[Row]:
        referenced: set[str] = set()
        sound_makers = {key.hex() for key in self._makers}
        for digest, (record, parts) in sorted(self._parts.items()):
            for name, place in parts.items():
                yield name, digest, self.file.read(place)
            yield "meta", digest, record
            makers = set(json.loads(record[:-4])["by"].values())
            referenced |= makers
            if not makers <= sound_makers:
                self.nameless.add(digest)
        for key in sorted(referenced):
            raw = bytes.fromhex(key)
            unknown = checked(raw, canonical_json(_UNKNOWN).encode())
            yield "provenance", raw, self._makers.get(raw, unknown)


def _is_checked(key: bytes, value: bytes, path: Path) -> bool:
    try:
        unchecked(key, value, path)
    except CorruptStoreError:
        return False
    return True


def _document(key: bytes, value: bytes, path: Path) -> dict[str, Any] | None:
    """JSON of a record that has its own sum, if this is one."""
    if not _is_checked(key, value, path):
        return None
    try:
        document = json.loads(value[:-4])
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
