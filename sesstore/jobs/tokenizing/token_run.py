"""One tokenising run: what it stores, which sequences it aligns to, and its report."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import overload

from ...failures import list_failure
from ...proteins import DIGEST_BYTES, Protein
from ...provenance import circumstances
from ...residues import StructureTokens
from ...store import Store, layout
from ...store.protein_names import ProteinNames
from ...structures.structure_files import StructureFile
from ...structures.tokenise import TOOL, TokenisedChain, TokenisedModel
from .alternatives import Alternatives
from .filerecords import FileRecords
from .token_report import ALTERNATIVES, REPLACED, TokenReport, coverage_table

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
            return [self[index] for index in range(*place.indices(len(self)))]
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
        self.names = ProteinNames(store, sequences)
        self._given_digests = self.names.extra.proteins
        old = store.knows(self._given_digests)
        self._new = {d for d, is_old in zip(self._given_digests, old, strict=True) if not is_old}
        self.report.known_proteins = store.count_proteins() + len(self._new)
        if self.report.known_proteins:
            self.report.known_example = self.names.example()
        self._store = store
        self._records = None if settings is None else FileRecords(store, source, settings)
        self._made_by = circumstances("mini3di", "mdtraj", "biotite")
        self._uncommitted_models: list[TokenisedModel] = []
        # A run may have millions of chains: numbers and digests of them are kept, no sequences.
        self._proteins = self.report.proteins = StoredProteins(store)
        self._alternatives = Alternatives()
        self._numbers: list[int] = []
        self._run_digests: set[bytes] = set()
        self._committed = 0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Take the time, store what waits at the end (also of a failing run), sum up."""
        start, report = time.perf_counter(), self.report
        try:
            yield
        finally:
            self._commit()
            self._store.flush()
        self._count_known()
        lengths = self._alternatives.lengths()
        resolved, report.residues = lengths.sum(0).tolist()
        report.chains, report.passed_over = len(lengths), self._alternatives.passed_over
        report.coverage = resolved / report.residues if report.residues else 0.0
        report.table = coverage_table(lengths)
        report.sequences = self._alternatives.proteins
        for choice in self._alternatives.choices():
            report.remark(ALTERNATIVES, choice)
        report.seconds = time.perf_counter() - start

    def has(self, model: tuple[StructureFile, ...]) -> bool:
        """Whether a model was done before; then it is in the report."""
        chains = self._records.done(model, self.names) if self._records else None
        if chains is None:
            return False
        self.report.structures += len(model)
        self.report.already_stored += len(model)
        self._alternatives.open(str(model[0].path))
        for chain in chains:
            protein = self._store.protein(bytes.fromhex(chain.digest))
            self._count(Protein(chain.id, protein.sequence), chain.resolved, chain.plddt)
            for kind, detail in chain.remarks:
                self.report.remark(kind, detail)
        return True

    def add(self, model: TokenisedModel, structures: int, file: Path) -> None:
        """Take in what became of a model of a file, which counts as so many structures."""
        self.report.structures += structures
        for failure in model.failures:
            list_failure(self.report.failed, failure.name, failure.reason)
        self._alternatives.open(str(file))
        for chain in model.chains:
            models = max(len(rows) for rows in chain.tokens.codes.values())
            self.report.conformers = max(self.report.conformers, models)
            resolved, confident = (
                chain.coverage * len(chain.protein),
                chain.tokens.plddt is not None,
            )
            self._numbers.append(self._count(chain.protein, round(resolved), confident))
            for remark in chain.remarks:
                self.report.remark(remark.kind, remark.detail)
        self._uncommitted_models.append(model)
        if sum(len(model.chains) for model in self._uncommitted_models) >= _COMMIT_CHAINS:
            self._commit()

    def _count(self, protein: Protein, resolved: int, plddt: bool) -> int:
        self._proteins.add(protein)
        self.report.plddt += plddt
        return self._alternatives.add(protein.digest, resolved, len(protein))

    def _commit(self) -> None:
        """Store what waits: proteins, then their tokens, then that these files are done.

        In this order: a crash in between leaves work to be repeated, never a file that counts as
        done without its tokens, nor tokens whose sequence nobody knows.
        """
        chains = [chain for model in self._uncommitted_models for chain in model.chains]
        self._note_unmatched(chains)
        self.report.new_sequences += self._store.add_proteins(chain.protein for chain in chains)
        best = {
            chain.tokens.digest: chain
            for chain, number in zip(chains, self._numbers, strict=True)
            if self._alternatives.is_best(number)
        }
        for tokens, replace in self._sorted([chain.tokens for chain in best.values()]):
            count = self._store.add_tokens(tokens, self._made_by, replace=replace)
            for structure in tokens if replace else ():
                if self._alternatives.number(structure.digest) >= self._committed:
                    self.report.remark(REPLACED, best[structure.digest].name)
            if self._records is None and not replace:
                self.report.already_stored += len(tokens) - count
        if self._records is not None:
            self._records.add(self._uncommitted_models)
        self._uncommitted_models.clear()
        self._numbers.clear()
        self._committed = self._alternatives.proteins

    def _note_unmatched(self, chains: list[TokenisedChain]) -> None:
        """List chains that are none of the proteins known when the run began."""
        if not self.report.known_proteins:
            return
        in_store = self._store.knows(chain.protein.digest for chain in chains)
        for chain, stored in zip(chains, in_store, strict=True):
            if not stored and chain.protein.digest not in self._given_digests:
                reason = self.names.reason([chain.protein.id])
                self.report.unmatched[chain.name] = reason

    def _count_known(self) -> None:
        """How many of the proteins known when the run began have tokens now."""
        report = self.report
        if not report.known_proteins or report.source not in self._store.sources():
            return
        additions = report.new_sequences - sum(digest in self._alternatives for digest in self._new)
        covered = len(self._store.tokens(report.source)) - additions
        report.known_covered = min(covered, report.known_proteins)

    def _sorted(
        self, tokens: list[StructureTokens]
    ) -> Iterator[tuple[list[StructureTokens], bool]]:
        """Tokens to store, and whether they take the place of stored ones.

        Tokens of an earlier run (of another file, or by other tools) are replaced, imported ones
        stay. What this run has stored is replaced by what is better.
        """
        stored: list[StructureTokens | None] = [None] * len(tokens)
        if self.report.source in self._store.sources():
            stored = self._store.tokens(self.report.source).get_all(t.digest for t in tokens)
        replaceable = {
            structure.digest
            for structure in stored
            if structure is not None
            and (structure.digest in self._run_digests or self._is_outdated(structure))
        }
        new = [structure for structure in tokens if structure.digest not in replaceable]
        if self._records is None:
            pairs = zip(tokens, stored, strict=True)
            self._run_digests |= {structure.digest for structure, former in pairs if former is None}
        yield new, False
        yield [structure for structure in tokens if structure.digest in replaceable], True

    def _is_outdated(self, structure: StructureTokens) -> bool:
        """Whether a new run takes the place of these tokens: our own ones, never imported ones."""
        return self._records is not None and structure.tool.startswith(TOOL)
