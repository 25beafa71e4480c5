"""One tokenising run: what it stores, which sequences it aligns to, and its report."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import overload

import numpy as np

from ..proteins import DIGEST_BYTES, Protein
from ..provenance import circumstances
from ..residues import StructureTokens
from ..store import Store, layout
from ..store.lookup import ProteinNames
from ..structures.files import StructureFile
from ..structures.tokenise import TOOL, TokenisedChain, TokenisedModel
from .filerecords import FileRecords
from .tokenreport import TokenReport, coverage_table

_COMMIT_CHAINS = 2048
"""Chains stored in one transaction: what a crash can lose."""


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
        self.known = ProteinNames(store, sequences)
        self._given = self.known.given.proteins
        old = store.knows(self._given)
        self._new = {d for d, is_old in zip(self._given, old, strict=True) if not is_old}
        self.report.known_proteins = store.count_proteins() + len(self._new)
        if self.report.known_proteins:
            self.report.known_example = self.known.example()
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
        self._count_known()
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
        self._note_unmatched(chains)
        self.report.new_sequences += self._store.add_proteins(chain.protein for chain in chains)
        for tokens, replace in self._sorted([chain.tokens for chain in chains]):
            written = self._store.add_tokens(tokens, self._made_by, replace=replace)
            if self._records is None:
                self.report.already_stored += len(tokens) - written
        if self._records is not None:
            self._records.add(self._waiting)
        self._waiting.clear()

    def _note_unmatched(self, chains: list[TokenisedChain]) -> None:
        """List chains that are none of the proteins known when the run began."""
        if not self.report.known_proteins:
            return
        known = self._store.knows(chain.protein.digest for chain in chains)
        for chain, old in zip(chains, known, strict=True):
            if not old and chain.protein.digest not in self._given:
                reason = self.known.reason([chain.protein.id])
                self.report.unmatched[chain.name] = reason

    def _count_known(self) -> None:
        """How many of the proteins known when the run began have tokens now."""
        report = self.report
        if not report.known_proteins or report.source not in self._store.sources():
            return
        brought = report.new_sequences - len(self._new & self._seen)
        covered = len(self._store.tokens(report.source)) - brought
        report.known_covered = min(covered, report.known_proteins)

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
