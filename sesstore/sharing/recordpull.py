"""Sequences, ids and tokens of a pull: fetched from bundles, checked, added as new ones are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..proteins import Protein
from ..residues import StructureTokens
from . import names
from .bundles import identity
from .index import Index
from .reading import rows_of
from .records import (
    Record,
    id_records,
    protein_records,
    read_id,
    read_protein,
    read_tokens,
    token_records,
)
from .taking import Taking, in_batches

_TRANSACTION = 4096


def take_proteins(taking: Taking, index: Index, wanted: set[bytes] | None) -> None:
    """Bring sequences and ids, all or those of some proteins; raises `CorruptStoreError`."""
    mine = _identities(taking, index, "proteins", "", wanted)
    taking.check_room(mine.bytes, "sequences")
    with taking.progress.stage("sequences", mine.total, "records") as bar:
        for records in mine.fetch(taking):
            taking.report.proteins += taking.store.add_proteins(map(read_protein, records))
            bar.advance(len(records))
    for records in _identities(taking, index, "ids", "", wanted).fetch(taking):
        known = taking.store.proteins([record.digest for record in records])
        taking.store.add_proteins(
            Protein(read_id(record), protein.sequence)
            for record, protein in zip(records, known, strict=True)
        )


def take_tokens(taking: Taking, index: Index, source: str, wanted: set[bytes] | None) -> None:
    """Bring the tokens of a source, all or those of some proteins, and what alphabets they need.

    Raises
    ------
    CorruptStoreError
        Some are not what they say.
    InputError
        An alphabet of that name has other states here.
    """
    for one in index.alphabets.values():
        taking.store.declare(one)
    mine = _identities(taking, index, "tokens", source, wanted)
    taking.check_room(mine.bytes, f"tokens of {source}")
    with taking.progress.stage(f"tokens of {source}", mine.total, "records") as bar:
        for records in mine.fetch(taking):
            _add_tokens(taking, records, source, mine.makers)
            bar.advance(len(records))


def _add_tokens(
    taking: Taking, records: list[Record], source: str, makers: dict[str, dict[str, Any]]
) -> None:
    by_maker: dict[str, list[StructureTokens]] = {}
    known = taking.lengths(record.digest for record in records)
    new: set[bytes] = set()
    for record, length in zip(records, known, strict=True):
        for maker, tokens in read_tokens(record, source, makers).parts.items():
            if length not in (-1, len(tokens)):
                raise names.refused("tokens have another length than their sequence")
            by_maker.setdefault(maker, []).append(tokens)
    before = {}
    if source in taking.store.sources():
        there = taking.store.tokens(source).get_all([record.digest for record in records])
        before = {tokens.digest: tokens for tokens in there if tokens is not None}
    for maker, items in by_maker.items():
        written = taking.store.add_tokens(items, makers[maker]["circumstances"])
        if written:
            new.update(item.digest for item in items if item.digest not in before)
        for item in items:
            if item.digest in before and _differ(before[item.digest], item):
                taking.report.conflicts.append(f"tokens {source}/{item.digest.hex()[:12]}")
    taking.report.tokens += len(new)


def _identities(
    taking: Taking, index: Index, kind: str, name: str, wanted: set[bytes] | None
) -> _Records:
    """Records of one kind that are not here yet: the last of a protein counts for tokens."""
    footers = [
        (sha, taking.reader.footer(sha, bundle))
        for sha, bundle in index.of_kind(kind)
        if bundle.name == name
    ]
    rows = [
        np.arange(len(footer)) if wanted is None else rows_of(footer, wanted)
        for _, footer in footers
    ]
    asked = [
        footer.digests[row].tobytes()
        for (_, footer), some in zip(footers, rows, strict=True)
        for row in some
    ]
    here = _here(taking, kind, name, asked)
    found, taken = _Records(), set[bytes]()
    for (sha, footer), some in zip(reversed(footers), reversed(rows), strict=True):
        keep = []
        for row in some.tolist():
            digest = footer.digests[row].tobytes()
            known = digest + footer.sums[row].tobytes() in here
            if known or (kind == "tokens" and digest in taken):
                continue
            taken.add(digest)
            keep.append(row)
        found.makers |= footer.makers
        found.parts.append((sha, index, np.asarray(keep, np.int64)))
        found.bytes += int(footer.sizes[keep].sum()) if keep else 0
    found.parts.reverse()
    return found


def _here(taking: Taking, kind: str, name: str, digests: list[bytes]) -> set[bytes]:
    """What this store would publish of some proteins: no need to fetch it."""
    store = taking.store
    records: Iterable[Record] = ()
    if kind == "tokens" and digests and name in store.sources():
        records = token_records(store.tokens(name), digests)
    elif kind == "proteins":
        lengths = taking.lengths(digests)
        known = [digest for digest, length in zip(digests, lengths, strict=True) if length >= 0]
        records = protein_records(store, known)
    elif kind == "ids" and digests:
        records = id_records(store)
    return {identity(record) for record in records}


@dataclass
class _Records:
    """Records to fetch, by bundle."""

    parts: list[tuple[str, Index, NDArray[np.int64]]] = field(default_factory=list)
    makers: dict[str, dict[str, Any]] = field(default_factory=dict)
    bytes: int = 0

    @property
    def total(self) -> int:
        return sum(len(rows) for _, _, rows in self.parts)

    def fetch(self, taking: Taking) -> Iterator[list[Record]]:
        """Yield records many at a time: each batch becomes one transaction."""
        records = (
            record
            for sha, index, rows in self.parts
            for some in taking.reader.records(sha, index.bundles[sha], rows, taking.pool)
            for record in some
        )
        yield from in_batches(records, _TRANSACTION)


def _differ(mine: StructureTokens, theirs: StructureTokens) -> bool:
    """Whether two tokens of a protein differ in a part that both have."""
    pairs = [(mine.codes[a], theirs.codes[a]) for a in mine.codes.keys() & theirs.codes.keys()]
    if mine.plddt is not None and theirs.plddt is not None:
        pairs.append((mine.plddt, theirs.plddt))
    return not all(np.array_equal(a, b) for a, b in pairs)
