"""One tokenising run: what it stores, which sequences it aligns to, and its report."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from ..proteins import DIGEST_BYTES, Protein
from ..provenance import circumstances
from ..residues import StructureTokens
from ..store import Store, layout
from ..structures.files import StructureFile
from ..structures.tokenise import TOOL, TokenisedModel
from .filerecords import FileRecords

_COMMIT_CHAINS = 2048
"""Chains stored in one transaction: what a crash can lose."""

_SHARES = (
    ("all", 1.0, float("inf")),
    ("90 % or more", 0.9, 1.0),
    ("50 to 90 %", 0.5, 0.9),
    ("less than 50 %", 0.0, 0.5),
)
"""Rows of the coverage table: name, and share of resolved residues from and below."""


@dataclass
class TokenReport:
    """What a tokenising run did; the keys of ``tokens --json``.

    Parameters
    ----------
    source : str
        Where the structures come from.
    structures, already_stored : int
        Files named (entries of an import), and those of them that were stored before.
    chains, residues : int
        Chains with tokens, and residues of their sequences; those of an earlier run among them.
    sequences, new_sequences : int
        Different sequences of the chains, and those of them the store did not know.
    failed : dict of str to str
        File, or file and chain, to reason.
    failed_list : str or None
        Where the list of failures was written, see `write_failures`.
    conformers : int
        Most models (NMR, frames of a trajectory) of a chain tokenised now.
    coverage : float
        Share of residues that are resolved.
    table : list of dict
        By how much of a chain is resolved: ``resolved``, ``chains``, ``residues``, ``masked``.
    proteins : sequence of Protein
        Of the chains.
    """

    source: str
    structures: int = 0
    already_stored: int = 0
    chains: int = 0
    residues: int = 0
    sequences: int = 0
    new_sequences: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    failed_list: str | None = None
    conformers: int = 0
    coverage: float = 0.0
    table: list[dict[str, str | int]] = field(default_factory=list)
    seconds: float = 0.0
    proteins: Sequence[Protein] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain values; the proteins stay out."""
        return {key: value for key, value in vars(self).items() if key != "proteins"}

    def write_failures(self, path: Path) -> None:
        """Write file (and chain) and reason of each failure, a line each.

        Where there are none, the list of an earlier run is removed.
        """
        if not self.failed:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(exist_ok=True)
        lines = [f"{name}\t{' '.join(why.split())}\n" for name, why in self.failed.items()]
        path.write_text("structure\treason\n" + "".join(lines), encoding="utf-8")
        self.failed_list = str(path)


class StoredProteins(Sequence[Protein]):
    """Proteins of a run, whose sequences are read from the store when they are asked for.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids: list[str] = []
        self._digests = bytearray()

    def add(self, protein: Protein) -> None:
        """Take note of one."""
        self._ids.append(protein.id)
        self._digests += protein.digest

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, place: int) -> Protein: ...
    @overload
    def __getitem__(self, place: slice) -> list[Protein]: ...
    def __getitem__(self, place: int | slice) -> Protein | list[Protein]:
        """Protein of a place, or those of some."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        start = range(len(self))[place] * DIGEST_BYTES
        digest = bytes(self._digests[start : start + DIGEST_BYTES])
        return Protein(self._ids[place], self._store.protein(digest).sequence)


class KnownSequences(Mapping[str, Protein]):
    """Sequences to align chains to, by id: those given first, then those the store knows.

    An id that stands for several sequences in the store is not guessed at: the structure's own
    sequence decides.
    """

    def __init__(self, store: Store, given: Iterable[Protein] = ()) -> None:
        self._store = store
        self._given = {protein.id: protein for protein in given}

    def __getitem__(self, id: str) -> Protein:
        if id in self._given:
            return self._given[id]
        digests = self._store.find_id(id)
        if len(digests) != 1:
            raise KeyError(id)
        return self._store.protein(digests[0])

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


class TokenRun:
    """Stores what is tokenised, in bounded batches, and keeps the report.

    Parameters
    ----------
    store : Store
    source : str
        Where the structures come from.
    settings : sequence, optional
        What else decides the tokens of a file: the tools with versions, the chosen chain, ...; None
        for imports, which are not recorded file by file and replace nothing.
    sequences : iterable of Protein
        Sequences to align to, by id.

    Raises
    ------
    InputError
        The source cannot be one's name.
    """

    def __init__(
        self,
        store: Store,
        source: str,
        settings: Sequence[object] | None,
        sequences: Iterable[Protein] = (),
    ) -> None:
        self.report = TokenReport(layout.check_name("source", source))
        self.known = KnownSequences(store, sequences)
        self._store = store
        self._records = None if settings is None else FileRecords(store, source, settings)
        self._made_by = circumstances("mini3di", "mdtraj", "biotite")
        self._waiting: list[TokenisedModel] = []
        self._seen: set[bytes] = set()
        # A run may have millions of chains: numbers and digests of them are kept, no sequences.
        self._proteins = self.report.proteins = StoredProteins(store)
        self._resolved, self._sizes = array("q"), array("q")

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Take the time, store what waits at the end (also of a failing run), sum up."""
        started, report = time.perf_counter(), self.report
        try:
            yield
        finally:
            self._commit()
            self._store.flush()
        report.coverage = sum(self._resolved) / report.residues if report.residues else 0.0
        report.table = coverage_table(np.column_stack([self._resolved, self._sizes]))
        report.sequences = len(self._seen)
        report.seconds = time.perf_counter() - started

    def has(self, model: tuple[StructureFile, ...]) -> bool:
        """Whether a model was done before; then it is in the report."""
        found = self._records.done(model, self.known) if self._records else None
        if found is None:
            return False
        self.report.structures += len(model)
        self.report.already_stored += len(model)
        for chain in found:
            protein = self._store.protein(bytes.fromhex(chain.digest))
            self._seen.add(protein.digest)
            self._count(Protein(chain.id, protein.sequence), chain.resolved)
        return True

    def add(self, model: TokenisedModel, structures: int) -> None:
        """Take in what became of a model, which counts as so many structures."""
        self.report.structures += structures
        self.report.failed |= {failure.name: failure.reason for failure in model.failures}
        for chain in model.chains:
            models = max(len(rows) for rows in chain.tokens.codes.values())
            self.report.conformers = max(self.report.conformers, models)
            self._count(chain.protein, round(chain.coverage * len(chain.protein)))
        self._waiting.append(model)
        if sum(len(waiting.chains) for waiting in self._waiting) >= _COMMIT_CHAINS:
            self._commit()

    def _count(self, protein: Protein, resolved: int) -> None:
        self._proteins.add(protein)
        self.report.chains += 1
        self.report.residues += len(protein)
        self._resolved.append(resolved)
        self._sizes.append(len(protein))

    def _commit(self) -> None:
        """Store what waits: proteins, then their tokens, then that these files are done."""
        chains = [chain for model in self._waiting for chain in model.chains]
        self.report.new_sequences += self._store.add_proteins(chain.protein for chain in chains)
        for tokens, replace in self._sorted([chain.tokens for chain in chains]):
            written = self._store.add_tokens(tokens, self._made_by, replace=replace)
            if self._records is None:
                self.report.already_stored += len(tokens) - written
        if self._records is not None:
            self._records.add(self._waiting)
        self._waiting.clear()

    def _sorted(
        self, tokens: list[StructureTokens]
    ) -> Iterator[tuple[list[StructureTokens], bool]]:
        """Tokens to store, and whether they take the place of stored ones.

        Of several structures of one sequence in a run, done before or now, the first counts. Tokens
        of an earlier run (of another file, or by other tools) are replaced, imported ones stay.
        """
        first = {one.digest: one for one in reversed(tokens) if one.digest not in self._seen}
        self._seen |= first.keys()
        stored: list[StructureTokens | None] = [None] * len(first)
        if self.report.source in self._store.sources():
            stored = self._store.tokens(self.report.source).get_all(first)
        ours = {
            known.digest
            for known in stored
            if self._records is not None and known is not None and known.tool.startswith(TOOL)
        }
        yield [one for digest, one in first.items() if digest not in ours], False
        yield [one for digest, one in first.items() if digest in ours], True


def coverage_table(lengths: ArrayLike) -> list[dict[str, str | int]]:
    """Chains by how much of them is resolved.

    Parameters
    ----------
    lengths : array_like of int, shape=(n, 2)
        Resolved residues and all residues of each chain.
    """
    rows: list[dict[str, str | int]] = []
    found, sizes = np.asarray(lengths, np.int64).reshape(-1, 2).T
    share = found / np.maximum(sizes, 1)
    for name, least, below in _SHARES:
        inside = (least <= share) & (share < below)
        residues = int(sizes[inside].sum())
        masked = residues - int(found[inside].sum())
        rows.append(
            {"resolved": name, "chains": int(inside.sum()), "residues": residues, "masked": masked}
        )
    return rows
