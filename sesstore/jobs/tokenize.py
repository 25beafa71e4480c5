"""Tokenise structures into a store.

A chain's protein is, in this order: the sequence given for its id, the one sequence the store knows
under its id, the structure's own (SEQRES, or what is resolved). So structures of a task's proteins
land on the task's sequences, and any other structure brings its sequence along.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import StoppedError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..provenance import circumstances
from ..store import Store
from ..structures.tokenise import Failure, TokenisedChain, structure_files, tokenise_many
from .signals import stop_requests

_COMMIT_CHAINS = 2048
"""Chains stored in one transaction: what a crash can lose."""


@dataclass
class TokenReport:
    """What a tokenising run did; the keys of ``tokens --json``.

    Parameters
    ----------
    source : str
        Where the structures come from.
    structures, chains, residues : int
        Files read, chains tokenised, residues of their sequences.
    failed : dict of str to str
        File, or file and chain, to reason.
    coverage : float
        Share of residues that are resolved.
    proteins : list of Protein
        Of the chains.
    """

    source: str
    structures: int = 0
    chains: int = 0
    residues: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    coverage: float = 0.0
    seconds: float = 0.0
    proteins: list[Protein] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As plain values; the proteins stay out."""
        return {key: value for key, value in vars(self).items() if key != "proteins"}


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


def tokenize(
    store: Store,
    paths: Sequence[Path],
    source: str,
    *,
    chain: str | None = None,
    sequences: Iterable[Protein] = (),
    workers: int | None = None,
    progress: Progress = SILENT,
) -> TokenReport:
    """Tokenise structure files and folders into a store.

    Parameters
    ----------
    store : Store
        Tokens go to its token store of `source`; proteins it does not know are added.
    paths : sequence of path
        Files or folders.
    source : str
        Where the structures come from, such as ``"alphafold2"``.
    chain : str, optional
        Take only the chain of this name.
    sequences : iterable of Protein
        Sequences to align to, by id.
    workers : int, optional
        Processes; one a core by default.
    progress : Progress
        Told about structures as they are done.

    Returns
    -------
    TokenReport
        ``failed`` says what could not be used and why; the rest is stored all the same.

    Raises
    ------
    MissingFileError
        A path does not exist, or a folder holds no structure.
    StoppedError
        A signal came; everything tokenised so far is stored.
    """
    started = time.perf_counter()
    files = structure_files(paths)
    report = TokenReport(source, structures=len(files))
    known = KnownSequences(store, sequences)
    made_by = circumstances("mini3di", "mdtraj", "biotite")
    resolved = 0
    with stop_requests() as stop, progress.stage("tokenising", len(files), "structures") as bar:
        waiting: list[TokenisedChain] = []
        for result in tokenise_many(
            files, source=source, chain=chain, sequences=known, workers=workers
        ):
            bar.advance(result.files_done)
            if isinstance(result, Failure):
                report.failed[result.name] = result.reason
                continue
            waiting.append(result)
            report.proteins.append(result.protein)
            report.chains += 1
            report.residues += len(result.protein)
            resolved += round(result.coverage * len(result.protein))
            if len(waiting) == _COMMIT_CHAINS or stop:
                _store(store, waiting, made_by)
            if stop:
                break
        _store(store, waiting, made_by)
    report.coverage = resolved / report.residues if report.residues else 0.0
    report.seconds = time.perf_counter() - started
    if stop:
        raise StoppedError(
            f"stopped by {stop.signal}: {report.chains:,} chains are stored. Run the same command "
            f"again to go on from there"
        )
    return report


def _store(store: Store, waiting: list[TokenisedChain], made_by: Mapping[str, object]) -> None:
    """Store what waits: proteins first, then their tokens."""
    store.add_proteins(result.protein for result in waiting)
    store.add_tokens([result.tokens for result in waiting], made_by)
    waiting.clear()
