"""Copy what is sound of a broken LMDB file into a new one.

Run in a child process, because LMDB may crash on broken pages::

    python -m sesstore.store.salvage OLD NEW

Every record is checked by its own sum before it is taken. Prints one JSON object: how many proteins
were kept and which were lost, as far as the file still says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lmdb

from ..errors import SesstoreError
from ..proteins import Protein
from ..residues import StructureTokens
from . import layout
from .alphabets import declare_stored
from .database import Database, open_database, unchecked
from .proteins import ProteinTable
from .tokens import Tokens, read_meta

if TYPE_CHECKING:
    from .database import Txn

_BATCH = 8192
_BROKEN = (SesstoreError, lmdb.Error, KeyError, ValueError, TypeError)


def salvage(old: Path, new: Path) -> dict[str, Any]:
    """Copy sound records from `old` to `new`.

    Returns
    -------
    dict
        ``kept``: number of proteins; ``lost``: digests (hexadecimal) of records that are broken.
    """
    database = open_database(old)
    if database is None:
        return {"kept": 0, "lost": []}
    if old.name == layout.PROTEINS:
        return _salvage_proteins(database, new)
    return _salvage_tokens(database, new)


def _keys(database: Database, txn: Txn, table: str) -> Iterator[bytes]:
    """Keys as far as a cursor gets."""
    with suppress(lmdb.Error, KeyError):
        for key in txn.cursor(database.tables[table]).iternext(values=False):
            yield bytes(key)


def _salvage_proteins(database: Database, new: Path) -> dict[str, Any]:
    found: dict[bytes, Protein] = {}
    lost: list[str] = []
    with database.read() as txn:
        for digest in _keys(database, txn, "sequences"):
            sequence = txn.get(digest, b"", db=database.tables["sequences"])
            if sha256(sequence).digest() != digest:
                lost.append(digest.hex())
                continue
            name = digest.hex()[:12]
            with suppress(*_BROKEN):
                stored = txn.get(digest, b"", db=database.tables["names"])
                name = unchecked(digest, stored, database.path).decode()
            found[digest] = Protein(name, sequence.decode("ascii"))
        others = list(_other_ids(database, txn, found))
    table = ProteinTable(new)
    table.add(found.values())  # first, so that first ids stay first
    table.add(others)
    return {"kept": len(found), "lost": lost}


def _other_ids(database: Database, txn: Txn, found: dict[bytes, Protein]) -> Iterator[Protein]:
    with suppress(*_BROKEN):
        for key, stored in txn.cursor(database.tables["ids"]):
            with suppress(*_BROKEN):
                digest = unchecked(key, stored, database.path)
                if digest in found:
                    yield Protein(key.decode(), found[digest].sequence)


def _salvage_tokens(database: Database, new: Path) -> dict[str, Any]:
    with suppress(SesstoreError):  # tokens in what is not declared any more are lost
        declare_stored(database.path.parent.parent)
    old, target = Tokens(database.path), Tokens(new)
    makers = old.provenance()
    kept, lost = 0, []
    with database.read() as txn:
        digests = list(_keys(database, txn, "meta"))
    for start in range(0, len(digests), _BATCH):
        parts: dict[str, list[StructureTokens]] = {}
        for digest in digests[start : start + _BATCH]:
            try:
                _split_up(database, old, digest, makers, parts)
                kept += 1
            except _BROKEN:
                lost.append(digest.hex())
        for key, items in parts.items():
            target.add(items, makers[key]["circumstances"])
    return {"kept": kept, "lost": lost}


def _split_up(
    database: Database,
    old: Tokens,
    digest: bytes,
    makers: dict[str, dict[str, Any]],
    parts: dict[str, list[StructureTokens]],
) -> None:
    """Sort the parts of one protein's tokens by what made them."""
    tokens = old.get(digest)
    with database.read() as txn:
        meta = read_meta(database, txn, digest)
    if tokens is None or meta is None:
        raise KeyError(digest)
    made = {name: makers[key]["tool"] for name, key in meta["by"].items()}
    for name, key in meta["by"].items():
        codes = {name: tokens.codes[name]} if name in tokens.codes else {}
        plddt = None if codes else tokens.plddt
        part = StructureTokens(digest, tokens.source, codes, plddt, made[name])
        parts.setdefault(key, []).append(part)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(salvage(Path(sys.argv[1]), Path(sys.argv[2]))))
