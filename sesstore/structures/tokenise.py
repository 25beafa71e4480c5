"""Structure files to the tokens of their proteins; many files over processes.

A broken file never stops the others, nor does a worker process that dies: each comes out as a
`Failure`. Memory is bounded: a fixed number of models is under way, and only tokens come back from
a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..alphabets import Codes, alphabet
from ..errors import InputError, StructureError
from ..memory import available_cores
from ..name_index import ProteinLookup
from ..proteins import Protein, normalise
from ..residues import StructureTokens
from . import foldcomp, pool
from .alignment import place
from .chain_tokens import ObservedChain, Settings, observe, observe_or_fail
from .chains import structure_suffix
from .mkdssp import find_mkdssp, mkdssp_version
from .notices import Failure, Remark
from .structure_files import StructureFile
from .trajectory import Trajectory, observe_frames

TOOL = "mini3di"
"""What the name of the tools begins with, in any version."""

Work = tuple[tuple[StructureFile, ...], Settings]
Observed = list[ObservedChain | Failure]
Ordered = Callable[
    [Callable[[Work], Observed], Iterable[Work], Callable[[Work], Observed]], Iterator[Observed]
]
"""Does a function on items, and gives the results in their order; the second function gives the
result of an item whose process died."""

MUTATIONS = "residues that differ from the sequence they were placed on"

_POOL_FROM = 12
"""Models that are done before other processes have started."""


@dataclass(frozen=True, eq=False)
class TokenisedChain:
    """Tokens of one chain, aligned to its protein.

    Parameters
    ----------
    protein : Protein
        Named by rule, see `naming`.
    tokens : StructureTokens
        One code a residue of the protein; unresolved residues are masked.
    coverage : float
        Share of the protein's residues that are resolved.
    name : str
        File and chain.
    structure_protein : Protein
        The protein by the structure's own sequence.
    remarks : tuple of Remark
        What was decided about it that its owner should hear of.
    """

    protein: Protein
    tokens: StructureTokens
    coverage: float
    name: str
    structure_protein: Protein
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, eq=False)
class TokenisedModel:
    """What became of one model.

    Parameters
    ----------
    files : tuple of StructureFile
        One, or the fragments of one protein.
    chains : list of TokenisedChain
    failures : list of Failure
    """

    files: tuple[StructureFile, ...]
    chains: list[TokenisedChain]
    failures: list[Failure]


def tokenise(
    path: Path | StructureFile,
    *,
    source: str,
    chain: str | None = None,
    sequences: ProteinLookup | None = None,
    dssp: str = "mdtraj",
) -> list[TokenisedChain | Failure]:
    """Tokenise the protein chains of one file.

    Parameters
    ----------
    path : path or StructureFile
        The file.
    source : str
        Where the structure came from; decides whether B-factors are pLDDT.
    chain : str, optional
        Only the chain of this id.
    sequences : ProteinLookup, optional
        Finds the sequence to align to, by names; the structure's own otherwise.
    dssp : str
        ``"mdtraj"`` or ``"mkdssp"``.

    Returns
    -------
    list
        One entry a chain; a chain that is not its sequence, or has no backbone, is a `Failure`.

    Raises
    ------
    MissingFileError, StructureError
        The file, or mkdssp, cannot be used at all.
    """
    file = path if isinstance(path, StructureFile) else StructureFile(path)
    observed = observe([file], _settings(source, chain, dssp))
    return [on_protein(chain_tokens, source, sequences, tool(dssp)) for chain_tokens in observed]


def tokenise_many(
    models: Sequence[tuple[StructureFile, ...]],
    *,
    source: str,
    chain: str | None = None,
    sequences: ProteinLookup | None = None,
    dssp: str = "mdtraj",
    workers: int | None = None,
    over: Ordered | None = None,
) -> Iterator[TokenisedModel]:
    """Tokenise many models over processes, in their order.

    Parameters
    ----------
    models : sequence of tuple of StructureFile
        See `structure_files.models`.
    source, chain, sequences, dssp
        As in `tokenise`; `sequences` is looked up in this process only.
    workers : int, optional
        Processes; one a core by default. With one, this process does the work.
    over : callable, optional
        Does the work elsewhere, and gives results in order; see `Ordered`.

    Yields
    ------
    TokenisedModel

    Raises
    ------
    MissingFileError
        mkdssp is wanted and not installed.
    """
    settings, made_by = _settings(source, chain, dssp), tool(dssp)
    if workers is None:
        workers = 1 if len(models) < _POOL_FROM else available_cores()
    work = ((model, settings) for model in models)
    if over is not None:
        results = over(observe_or_fail, work, _died)
    elif workers == 1 and not any(map(_may_end_the_process, models)):
        results = map(observe_or_fail, work)
    else:
        results = pool.map_ordered(observe_or_fail, work, workers, _died)
    for model, observed in zip(models, results, strict=True):
        outcomes = [
            on_protein(chain_tokens, source, sequences, made_by) for chain_tokens in observed
        ]
        yield _model(model, outcomes)


@cache
def tool(dssp: str = "mdtraj") -> str:
    """What makes the tokens, with versions.

    Raises
    ------
    InputError
        DSSP is by neither mdtraj nor mkdssp.
    MissingFileError
        mkdssp is not installed.
    """
    if dssp not in ("mdtraj", "mkdssp"):
        raise InputError(f"'{dssp}' assigns no DSSP states. Choose mdtraj or mkdssp")
    by = metadata.version("mdtraj") if dssp == "mdtraj" else mkdssp_version(find_mkdssp())
    return f"{TOOL} {metadata.version(TOOL)}, {dssp} {by}"


def on_protein(
    observed: ObservedChain | Failure,
    source: str,
    sequences: ProteinLookup | None,
    made_by: str,
) -> TokenisedChain | Failure:
    """Spread the tokens of a chain over the sequence of its protein.

    Parameters
    ----------
    observed : ObservedChain or Failure
        A failure stays one.
    source : str
        Where the structure came from.
    sequences : ProteinLookup, optional
        Finds sequences by names; the structure's own otherwise.
    made_by : str
        What made the tokens, see `tool`.
    """
    if isinstance(observed, Failure):
        return observed
    protein = None
    if sequences is not None:
        names = (observed.id, *observed.aliases)
        protein = sequences.find(names, fold=not observed.has_twin)
    try:
        return _placed(observed, source, protein, made_by)
    except InputError as problem:
        return Failure(observed.name, str(problem))


def _placed(
    observed: ObservedChain, source: str, protein: Protein | None, made_by: str
) -> TokenisedChain:
    structure_protein = Protein(
        observed.id, normalise(observed.chain.sequence or observed.chain.residues)
    )
    if protein is None and not observed.complete:
        raise StructureError(
            f"{observed.name}: fragments are absent, and the sequence there is not known. Get all "
            f"fragments, or give the sequence of '{observed.id}' with --sequences"
        )
    protein = protein or structure_protein
    index = place(observed.chain, protein.sequence, observed.name)
    resolved = index >= 0
    codes = {
        name: np.stack([spread(index, row, alphabet(name).mask) for row in rows])
        for name, rows in observed.codes.items()
    }
    plddt = None if observed.plddt is None else spread(index, observed.plddt, 0)
    tokens = StructureTokens(protein.digest, source, codes, plddt, made_by)
    remarks = (*observed.remarks, *_mutations(observed, protein.sequence, index))
    return TokenisedChain(
        protein, tokens, float(resolved.mean()), observed.name, structure_protein, remarks
    )


def _mutations(
    observed: ObservedChain, sequence: str, index: NDArray[np.int64]
) -> Iterator[Remark]:
    placed = zip(sequence, index.tolist(), strict=True)
    residues = observed.chain.residues
    mutations = sum(at >= 0 and letter != residues[at] for letter, at in placed)
    if mutations:
        yield Remark(MUTATIONS, f"{mutations} of {int((index >= 0).sum())}").of(observed.name)


def spread(index: NDArray[np.int64], values: Codes, absent: int) -> Codes:
    """Put values of observed residues at their places in a sequence.

    Parameters
    ----------
    index : ndarray, shape=(L,), dtype=int64
        Observed residue of each residue of the sequence, -1 where there is none (see `place`).
    values : ndarray, dtype=uint8 | uint16
        One an observed residue.
    absent : int
        What the others get.
    """
    spread_values: Codes = np.full(len(index), absent, values.dtype)
    resolved = index >= 0
    spread_values[resolved] = values[index[resolved]]
    return spread_values


def tokenise_trajectory(
    trajectory: Trajectory,
    *,
    source: str,
    chain: str | None = None,
    sequences: ProteinLookup | None = None,
    dssp: str = "mdtraj",
) -> TokenisedModel:
    """Tokenise the frames of a trajectory as conformers; parameters as in `tokenise`.

    Raises
    ------
    MissingFileError, StructureError
        Trajectory, topology or mkdssp cannot be used.
    """
    observed = observe_frames(trajectory, _settings(source, chain, dssp))
    outcomes = [
        on_protein(chain_tokens, source, sequences, tool(dssp)) for chain_tokens in observed
    ]
    return _model((StructureFile(trajectory.path),), outcomes)


def _model(
    files: tuple[StructureFile, ...], outcomes: Sequence[TokenisedChain | Failure]
) -> TokenisedModel:
    chains = [outcome for outcome in outcomes if isinstance(outcome, TokenisedChain)]
    return TokenisedModel(
        files, chains, [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    )


def _may_end_the_process(model: tuple[StructureFile, ...]) -> bool:
    return any(structure_suffix(file.path) == foldcomp.SUFFIX for file in model)


def _settings(source: str, chain: str | None, dssp: str) -> Settings:
    return Settings(source, chain, find_mkdssp() if dssp == "mkdssp" else None)


def _died(work: Work) -> Observed:
    path = work[0][0].path
    return [
        Failure(
            str(path),
            f"'{path}' ended the process that read it (out of memory, or a crash of a compiled "
            f"part). Leave it out, or try it alone with --workers 1",
        )
    ]
