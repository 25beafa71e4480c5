"""Structure tokens of one source, in one LMDB file.

Named databases: each alphabet and ``plddt`` (digest -> codes [M, L], or [L]; one byte each, or two
where the alphabet needs them), ``meta`` (digest -> JSON: length, a CRC-32C of each record, and
which provenance made it) and ``provenance`` (what it refers to: tool, date, command, versions;
stored once a run). Every read checks its sums.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ..alphabets import ALPHABETS, BUILT_IN, Alphabet, alphabet
from ..batches import batches
from ..errors import CorruptStoreError, InputError, NotStoredError
from ..provenance import canonical_json
from ..residues import StructureTokens
from .alphabet_files import declare_stored
from .database import STATE, Database, checked, create_database, open_database, unchecked
from .digest_index import as_rows

if TYPE_CHECKING:
    from .database import Txn

PLDDT = "plddt"
TABLES = {**dict.fromkeys(BUILT_IN, False), PLDDT: False, "meta": False, "provenance": False}
_BATCH = 1024


class Tokens:
    """Tokens of all proteins under one source.

    Parameters
    ----------
    path : path
        ``tokens/<source>.lmdb``; made by the first `add`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = path.name.removesuffix(".lmdb")

    def get(self, digest: bytes) -> StructureTokens | None:
        """Return the tokens of one protein, or None if there are none.

        Raises
        ------
        CorruptStoreError
            They are not what was written.
        """
        return self.get_all([digest])[0]

    def get_all(self, digests: Iterable[bytes]) -> list[StructureTokens | None]:
        """Return the tokens of several proteins, read in one transaction; raises as `get`."""
        keys = list(digests)
        database = open_database(self.path)
        if database is None:
            return [None] * len(keys)
        tools: dict[str, str] = {}
        with database.read() as txn:
            return [self._read(database, txn, digest, tools) for digest in keys]

    def has(self, digests: NDArray[np.uint8] | Iterable[bytes]) -> NDArray[np.bool_]:
        """Whether there are tokens of each protein, shape=(B,); pLDDT alone is none.

        Raises
        ------
        CorruptStoreError
            A record is not what was written.
        """
        rows, database = as_rows(digests), open_database(self.path)
        if database is None:
            return np.zeros(len(rows), bool)
        with database.read() as txn:
            metas = (read_meta(database, txn, row.tobytes()) for row in rows)
            are_stored = [meta is not None and bool(meta["crc"].keys() - {PLDDT}) for meta in metas]
        return np.asarray(are_stored, bool)

    def coverage(self, digests: NDArray[np.uint8] | Iterable[bytes]) -> float:
        """Share of some proteins that have tokens, 0 to 1."""
        are_stored = self.has(digests)
        return float(are_stored.mean()) if len(are_stored) else 0.0

    def __contains__(self, digest: bytes) -> bool:
        return bool(self.has([digest])[0])

    def __len__(self) -> int:
        database = open_database(self.path)
        if database is None:
            return 0
        with database.read() as txn:
            return int(txn.stat(database.tables["meta"])["entries"])

    def __iter__(self) -> Iterator[StructureTokens]:
        """Yield the tokens of all proteins, in the order of digests."""
        for batch in self._batches():
            yield from (tokens for tokens in self.get_all(batch) if tokens is not None)

    def digests(self) -> list[bytes]:
        """Digests of all proteins that have tokens."""
        return [digest for batch in self._batches() for digest in batch]

    def counts(self) -> dict[str, int]:
        """Proteins with tokens in each alphabet, and with pLDDT, where there are any."""
        database = open_database(self.path)
        if database is None:
            return {}
        with database.read() as txn:
            names = sorted(database.tables.keys() - {"meta", "provenance", STATE}, key=_place)
            tables = {name: database.tables[name] for name in names}
            counts = {name: int(txn.stat(table)["entries"]) for name, table in tables.items()}
        return {name: count for name, count in counts.items() if count}

    @property
    def tool(self) -> str:
        """What made the tokens: all tools, with versions."""
        return "; ".join(sorted({str(p["tool"]) for p in self.provenance().values()} - {""}))

    def provenance(self) -> dict[str, dict[str, Any]]:
        """Every run that added tokens: tool and circumstances, by key."""
        database = open_database(self.path)
        if database is None:
            return {}
        with database.read() as txn:
            pairs = list(txn.cursor(database.tables["provenance"]))
        return {
            key.hex(): json.loads(unchecked(key, value, self.path))
            for key, value in ((bytes(k), bytes(v)) for k, v in pairs)
        }

    def made_by(self, digest: bytes) -> dict[str, dict[str, Any]]:
        """What made each part of one protein's tokens, by alphabet (and ``plddt``).

        Raises
        ------
        NotStoredError
            There are none.
        """
        database = open_database(self.path)
        meta = None
        if database is not None:
            with database.read() as txn:
                meta = read_meta(database, txn, digest)
        if meta is None:
            raise NotStoredError(
                f"no tokens of {digest.hex()[:12]} are stored from {self.source}. Add them with "
                f"`sesstore tokens`"
            )
        runs = self.provenance()
        return {name: runs[key] for name, key in meta["by"].items()}

    def add(
        self,
        items: Iterable[StructureTokens],
        circumstances: Mapping[str, Any],
        *,
        replace: bool = False,
    ) -> int:
        """Store tokens; return for how many proteins something was written.

        Parts that are stored already (an alphabet, pLDDT) stay as they are unless `replace`.

        Raises
        ------
        InputError
            Parts of one protein have two lengths; nothing of their batch is stored.
        """
        count = 0
        try:
            for batch in batches(items, _BATCH):
                additions = self._new_parts(batch, replace)
                if additions:
                    count += self._insert(additions, circumstances)
        finally:
            if database := open_database(self.path):
                database.seal()
        return count

    def changing(self, items: Sequence[StructureTokens]) -> list[bytes]:
        """Digests of those whose stored tokens, or pLDDT, differ from what is given."""
        stored = self.get_all(item.digest for item in items)
        return [
            item.digest
            for item, before in zip(items, stored, strict=True)
            if before is not None and _differ(before, item)
        ]

    def _insert(self, additions: list[_Parts], circumstances: Mapping[str, Any]) -> int:
        database = create_database(self.path, TABLES)
        database.add_tables({name for _, parts in additions for name in parts})
        return database.write(lambda txn: _write(database, txn, additions, circumstances))

    def _new_parts(self, batch: list[StructureTokens], replace: bool) -> list[_Parts]:
        database = open_database(self.path)
        candidates = [(item, _parts_of(item)) for item in batch]
        if database is None:
            return [(item, parts) for item, parts in candidates if parts]
        additions = []
        with database.read() as txn:
            for item, parts in candidates:
                meta = read_meta(database, txn, item.digest) or {"crc": {}}
                sums = meta["crc"]
                new = {
                    name: raw
                    for name, raw in parts.items()
                    if name not in sums or (replace and sums[name] != _crc(raw))
                }
                if new:
                    additions.append((item, new))
        return additions

    def _read(
        self, database: Database, txn: Txn, digest: bytes, tools: dict[str, str]
    ) -> StructureTokens | None:
        meta = read_meta(database, txn, digest)
        if meta is None:
            return None
        parts = {}
        for name, crc in meta["crc"].items():
            raw = txn.get(digest, db=database.table(name, txn))
            if raw is None or _crc(raw) != crc:
                raise CorruptStoreError(
                    f"{self.path}: the {name} tokens of {digest.hex()[:12]} are not what was "
                    f"written. Run `sesstore verify`, then `sesstore repair`"
                )
            dtype = np.uint8 if name == PLDDT else self._alphabet(name).dtype
            parts[name] = np.frombuffer(raw, dtype)
        plddt = parts.pop(PLDDT, None)
        codes = {name: raw.reshape(-1, meta["length"]) for name, raw in parts.items()}
        tools_used = sorted({_tool(database, txn, key, tools) for key in meta["by"].values()})
        return StructureTokens(
            digest, self.source, codes, plddt, "; ".join(filter(None, tools_used))
        )

    def _alphabet(self, name: str) -> Alphabet:
        """An alphabet, which may have been declared after this store was opened."""
        if name not in ALPHABETS:
            declare_stored(self.path.parent.parent)
        return alphabet(name)

    def _batches(self) -> Iterator[list[bytes]]:
        database, last_key = open_database(self.path), b""
        while database is not None:
            with database.read() as txn:
                cursor = txn.cursor(database.tables["meta"])
                exists = cursor.set_range(last_key)
                keys = (bytes(key) for key in cursor.iternext(values=False)) if exists else iter(())
                batch = list(islice((key for key in keys if key != last_key), _BATCH))
            if not batch:
                return
            yield batch
            last_key = batch[-1]


def _place(name: str) -> tuple[int, str]:
    """Order of tables: the alphabets sesstore knows, others by name, pLDDT."""
    names = (*BUILT_IN, "", PLDDT)
    return names.index(name) if name in names else len(BUILT_IN), name


_Parts = tuple[StructureTokens, dict[str, bytes]]


def read_meta(database: Database, txn: Txn, digest: bytes) -> dict[str, Any] | None:
    """``meta`` record of a protein, checked; None if there is none."""
    stored = txn.get(digest, db=database.tables["meta"])
    if stored is None:
        return None
    meta: dict[str, Any] = json.loads(unchecked(digest, stored, database.path))
    return meta


def _differ(before: StructureTokens, after: StructureTokens) -> bool:
    old, new = _parts_of(before), _parts_of(after)
    return any(new[name] != old[name] for name in new.keys() & old.keys())


def _parts_of(item: StructureTokens) -> dict[str, bytes]:
    parts = {name: codes.tobytes() for name, codes in item.codes.items()}
    if item.plddt is not None:
        parts[PLDDT] = np.asarray(item.plddt, np.uint8).tobytes()
    return parts


def _write(
    database: Database,
    txn: Txn,
    additions: list[_Parts],
    circumstances: Mapping[str, Any],
) -> int:
    makers: dict[str, str] = {}
    # In the order of keys: LMDB then fills page after page and touches each once.
    for item, parts in sorted(additions, key=lambda pair: pair[0].digest):
        if item.tool not in makers:
            makers[item.tool] = _put_provenance(database, txn, item.tool, circumstances)
        meta = read_meta(database, txn, item.digest) or {"crc": {}, "by": {}, "length": len(item)}
        if parts.keys() >= meta["crc"].keys():  # all of it is replaced
            meta["length"] = len(item)
        elif meta["length"] != len(item):
            raise InputError(
                f"tokens of {item.digest.hex()[:12]} from {item.source} have {len(item)} codes, "
                f"stored are some of {meta['length']}. Tokenise the structure again, all of it"
            )
        for name, raw in parts.items():
            txn.put(item.digest, raw, db=database.table(name, txn))
            meta["crc"][name] = _crc(raw)
            meta["by"][name] = makers[item.tool]
        record = checked(item.digest, canonical_json(meta).encode())
        txn.put(item.digest, record, db=database.tables["meta"])
    return len(additions)


def _put_provenance(
    database: Database, txn: Txn, tool: str, circumstances: Mapping[str, Any]
) -> str:
    raw = canonical_json({"tool": tool, "circumstances": dict(circumstances)}).encode()
    key = sha256(raw).digest()[:16]
    txn.put(key, checked(key, raw), db=database.tables["provenance"])
    return key.hex()


def _tool(database: Database, txn: Txn, key: str, tools: dict[str, str]) -> str:
    if key not in tools:
        raw = bytes.fromhex(key)
        stored = txn.get(raw, b"", db=database.tables["provenance"])
        tools[key] = json.loads(unchecked(raw, stored, database.path))["tool"]
    return tools[key]


def _crc(raw: bytes) -> int:
    return int(google_crc32c.value(raw))
