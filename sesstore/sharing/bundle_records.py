"""Proteins, ids and tokens as bytes, and back: the records of bundles.

Whatever comes back has passed the checks of the vocabulary: letters, digest of the sequence, codes
of the alphabets, one code a residue.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np

from ..alphabets import ALPHABETS
from ..batches import batches
from ..errors import InputError
from ..proteins import Protein, digest_of, normalise
from ..provenance import canonical_json
from ..residues import StructureTokens
from ..store import Store, Tokens, layout
from ..store.database import open_database, unchecked
from ..store.tokens import PLDDT, read_meta
from .share_paths import refusal

_MOST_PLDDT = 100


@dataclass(frozen=True)
class Record:
    """One record.

    Parameters
    ----------
    digest : bytes
        Of the protein it is about.
    data : bytes
        Its content.
    key : int
        First eight bytes of the SHA-256 of the id it is found by; 0 if there is none.
    """

    digest: bytes
    data: bytes
    key: int = 0


def id_number(name: str) -> int:
    """Return the number an id is found by."""
    return int.from_bytes(sha256(name.encode("utf-8", "replace")).digest()[:8], "little")


def protein_records(store: Store, digests: Iterable[bytes] | None = None) -> Iterator[Record]:
    """Yield sequences with their first ids: of some digests the store knows, or all."""
    for protein in store.proteins(digests):
        data = canonical_json({"id": protein.id, "sequence": protein.sequence}).encode()
        yield Record(protein.digest, data, id_number(protein.id))


def id_records(store: Store) -> Iterator[Record]:
    """Yield the further ids of sequences, a record each; very long ones are not kept in full."""
    path = store.path / layout.PROTEINS
    database = open_database(path)
    if database is None:
        return
    pairs = []
    with database.read() as txn:
        for key, stored in txn.cursor(database.tables["ids"]):
            digest = unchecked(key, stored, path)
            first = txn.get(digest, b"", db=database.tables["names"])
            if unchecked(digest, first, path) != key:
                with suppress(UnicodeDecodeError):
                    pairs.append((bytes(digest), bytes(key).decode()))
    for digest, name in sorted(pairs):
        data = canonical_json({"id": name}).encode()
        yield Record(digest, data, id_number(name))


def token_records(tokens: Tokens, digests: Iterable[bytes] | None = None) -> Iterator[Record]:
    """Yield the tokens of some proteins, or of all, saying by key what made each part."""
    database = open_database(tokens.path)
    if database is None:
        return
    for item in tokens if digests is None else _tokens_of(tokens, digests):
        with database.read() as txn:
            meta = read_meta(database, txn, item.digest)
        if meta is not None:
            yield Record(item.digest, _token_data(item, meta["by"]))


def _tokens_of(tokens: Tokens, digests: Iterable[bytes]) -> Iterator[StructureTokens]:
    for batch in batches(digests, 1024):
        yield from (item for item in tokens.get_all(batch) if item is not None)


def _token_data(item: StructureTokens, makers: dict[str, str]) -> bytes:
    arrays = dict(item.codes)
    if item.plddt is not None:
        arrays[PLDDT] = np.atleast_2d(item.plddt)
    parts = {name: [len(codes), makers[name]] for name, codes in arrays.items()}
    head = canonical_json({"length": len(item), "parts": parts}).encode()
    return head + b"\n" + b"".join(arrays[name].tobytes() for name in sorted(arrays))


def sha256_of(maker: dict[str, Any]) -> str:
    """Key of what made tokens: tool and circumstances."""
    return sha256(canonical_json(maker).encode()).hexdigest()[:32]


def read_protein(record: Record) -> Protein:
    """Inverse of `protein_records`; raises `CorruptStoreError`."""
    value = _json(record.data, {"id", "sequence"})
    try:
        protein = Protein(_id(value["id"]), value["sequence"])
        sound = normalise(protein.sequence) == protein.sequence
    except (InputError, TypeError, AttributeError):
        sound = False
    if not sound or digest_of(protein.sequence) != record.digest:
        raise refusal("a sequence is not that of its digest")
    return protein


def read_id(record: Record) -> str:
    """Inverse of `id_records`; raises `CorruptStoreError`."""
    return _id(_json(record.data, {"id"})["id"])


@dataclass
class ArrivedTokens:
    """Tokens of one protein that arrived: its parts, by what made them.

    Parameters
    ----------
    parts : dict of str to StructureTokens
        By key of the maker.
    """

    parts: dict[str, StructureTokens] = field(default_factory=dict)


def read_tokens(record: Record, source: str, makers: dict[str, dict[str, Any]]) -> ArrivedTokens:
    """Inverse of `token_records`.

    Parameters
    ----------
    record : Record
        What arrived.
    source : str
        Of the tokens.
    makers : dict of str to dict
        Tool and circumstances by key.

    Raises
    ------
    CorruptStoreError
        They are no tokens, or nothing says what made them.
    """
    raw_head, _, body = record.data.partition(b"\n")
    head = _json(raw_head, {"length", "parts"})
    arrival = ArrivedTokens()
    try:
        length, start = head["length"], 0
        by_maker: dict[str, dict[str, Any]] = {}
        for name in sorted(head["parts"]):
            conformers, maker = head["parts"][name]
            if name not in (*ALPHABETS, PLDDT) or maker not in makers:
                raise refusal(f"tokens of {name!r} made by nobody known")
            dtype = np.dtype(np.uint8) if name == PLDDT else ALPHABETS[name].dtype
            if not (type(conformers) is int and type(length) is int) or min(conformers, length) < 1:
                raise refusal("tokens of no size")
            stop = start + conformers * length * dtype.itemsize
            codes = np.frombuffer(body[start:stop], dtype).reshape(conformers, length)
            by_maker.setdefault(maker, {})[name] = codes
            start = stop
        if start != len(body) or not by_maker:
            raise refusal("tokens of another size than they say")
        for maker, parts in by_maker.items():
            plddt = parts.pop(PLDDT, None)
            if plddt is not None and (len(plddt) != 1 or int(plddt.max()) > _MOST_PLDDT):
                raise refusal("pLDDT beyond 100")
            tool = makers[maker]["tool"]
            row = None if plddt is None else plddt[0]
            arrival.parts[maker] = StructureTokens(record.digest, source, parts, row, tool)
    except (InputError, LookupError, TypeError, ValueError, AttributeError) as problem:
        raise refusal(f"tokens cannot be read ({problem})") from None
    return arrival


def check_makers(value: Any) -> dict[str, dict[str, Any]]:
    """Return what made tokens, by key, if it is as it must be."""
    sound = isinstance(value, dict) and all(
        isinstance(maker, dict)
        and isinstance(maker.get("tool"), str)
        and isinstance(maker.get("circumstances"), dict)
        and sha256_of(maker) == key
        for key, maker in value.items()
    )
    if not sound:
        raise refusal("what made its tokens is not said as it must be")
    return dict(value)


def _json(raw: bytes, keys: set[str]) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or set(value) != keys:
        raise refusal("a record cannot be read")
    return value


def _id(value: Any) -> str:
    if isinstance(value, str) and len(value) < 1 << 16:
        with suppress(UnicodeEncodeError):
            value.encode()
            return value
    raise refusal("an id is no text")
