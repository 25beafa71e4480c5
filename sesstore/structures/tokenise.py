"""One structure file to the tokens of its chains; many files over processes.

A broken file never stops the others: it comes out as a `Failure`. Memory is bounded: a fixed number
of files is under way, and only tokens come back from a worker.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..alphabets import alphabet
from ..errors import InputError, MissingFileError, StructureError
from ..proteins import Protein, normalise
from ..residues import StructureTokens
from .alignment import place
from .chains import SUFFIXES, Chain, read_structure, structure_suffix
from .dssp import tokens_dssp
from .foldseek import tokens_3di
from .naming import alphafold_fragment, protein_id

PREDICTED = frozenset(
    {"alphafold2", "alphafold3", "alphafold", "esmfold", "colabfold", "omegafold", "boltz", "chai"}
)
"""Sources whose B-factors are pLDDT."""


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
    files_done : int
        Files finished with this result: 1 for the last one of a file, else 0.
    """

    protein: Protein
    tokens: StructureTokens
    coverage: float
    name: str
    files_done: int = 0


@dataclass(frozen=True)
class Failure:
    """A file or chain that could not be tokenised.

    Parameters
    ----------
    name : str
        File, or file and chain.
    reason : str
        What is wrong, and what to do.
    files_done : int
        As of `TokenisedChain`.
    """

    name: str
    reason: str
    files_done: int = 0


def structure_files(paths: Iterable[Path]) -> list[Path]:
    """Return the structure files among some files and folders, sorted within a folder.

    Raises
    ------
    MissingFileError
        A path does not exist, or a folder holds no structure.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(f for f in path.rglob("*") if structure_suffix(f) in SUFFIXES)
            if not inside:
                raise MissingFileError(
                    f"there is no structure ({', '.join(SUFFIXES)}, also .gz) in folder '{path}'"
                )
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise MissingFileError(f"there is no file or folder '{path}'")
    return found


def tokenise(
    path: Path,
    *,
    source: str,
    chain: str | None = None,
    sequences: Mapping[str, Protein] | None = None,
) -> list[TokenisedChain | Failure]:
    """Tokenise the protein chains of one file.

    Parameters
    ----------
    path : path
        Structure file.
    source : str
        Where the structure came from; decides whether B-factors are pLDDT.
    chain : str, optional
        Only the chain of this id.
    sequences : mapping of str to Protein, optional
        Sequences to align to, by id; the structure's own otherwise.

    Returns
    -------
    list
        One entry a chain; a chain that is not its sequence is a `Failure`.

    Raises
    ------
    MissingFileError, StructureError
        The file cannot be used at all.
    """
    return _aligned(_raw_tokens(path, source, chain), source, sequences or {})


def tokenise_many(
    files: Sequence[Path],
    *,
    source: str,
    chain: str | None = None,
    sequences: Mapping[str, Protein] | None = None,
    workers: int | None = None,
) -> Iterator[TokenisedChain | Failure]:
    """Tokenise many files over processes, in the order of the files.

    Parameters
    ----------
    files : sequence of path
        See `structure_files`.
    source, chain, sequences
        As in `tokenise`; `sequences` is looked up in this process only.
    workers : int, optional
        Processes; one a core by default. With one, this process does the work.

    Yields
    ------
    TokenisedChain or Failure
    """
    workers = min(workers or len(os.sched_getaffinity(0)), len(files))
    raws = (
        (_raw_or_failure(file, source, chain) for file in files)
        if workers <= 1
        else _in_processes(files, source, chain, workers)
    )
    for raw in raws:
        if isinstance(raw, Failure):
            yield replace(raw, files_done=1)
            continue
        results = _aligned(raw, source, sequences or {})
        yield from results[:-1]
        yield replace(results[-1], files_done=1)


@dataclass(frozen=True, eq=False)
class _RawChain:
    """Tokens over the resolved residues of a chain: what a worker sends back."""

    chain: Chain
    id: str
    name: str
    codes: dict[str, NDArray[np.uint8]]
    plddt: NDArray[np.uint8] | None


def _raw_tokens(path: Path, source: str, wanted: str | None) -> list[_RawChain]:
    structure = read_structure(path)
    chains = structure.chains
    if wanted is not None and wanted not in [chain.id for chain in chains]:
        raise StructureError(
            f"'{path}' has no protein chain '{wanted}', only {', '.join(c.id for c in chains)}"
        )
    predicted = structure.predicted or source in PREDICTED or alphafold_fragment(path) is not None
    raws = []
    for chain, dssp in zip(chains, tokens_dssp(chains), strict=True):
        if wanted in (None, chain.id):
            raws.append(
                _RawChain(
                    # Coordinates have served; sending them back would cost more than the tokens.
                    chain=replace(chain, backbone=chain.backbone[:0]),
                    id=protein_id(path, chain.id, len(chains)),
                    name=f"{path} chain {chain.id}",
                    codes={"foldseek": tokens_3di(chain), "dssp": dssp},
                    plddt=_plddt(chain.bfactors) if predicted else None,
                )
            )
    return raws


def _plddt(bfactors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """0 to 100; some tools write 0 to 1."""
    scale = 100 if bfactors.max() <= 1 else 1
    return np.rint(np.clip(bfactors * scale, 0, 100)).astype(np.uint8)


def _raw_or_failure(path: Path, source: str, chain: str | None) -> list[_RawChain] | Failure:
    try:
        return _raw_tokens(path, source, chain)
    except InputError as problem:
        return Failure(str(path), str(problem))


def _in_processes(
    files: Sequence[Path], source: str, chain: str | None, workers: int
) -> Iterator[list[_RawChain] | Failure]:
    # Not forked: the parent may have threads.
    context = get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        under_way: deque[tuple[Path, Future[list[_RawChain] | Failure]]] = deque()
        waiting = iter(files)
        try:
            for file in waiting:
                under_way.append((file, pool.submit(_raw_or_failure, file, source, chain)))
                if len(under_way) >= 4 * workers:
                    yield under_way.popleft()[1].result()
            while under_way:
                yield under_way.popleft()[1].result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _aligned(
    raws: list[_RawChain], source: str, sequences: Mapping[str, Protein]
) -> list[TokenisedChain | Failure]:
    results: list[TokenisedChain | Failure] = []
    for raw in raws:
        try:
            results.append(_on_protein(raw, source, sequences.get(raw.id)))
        except InputError as problem:
            results.append(Failure(raw.name, str(problem)))
    return results


def _on_protein(raw: _RawChain, source: str, known: Protein | None) -> TokenisedChain:
    protein = known or Protein(raw.id, normalise(raw.chain.sequence or raw.chain.residues))
    index = place(raw.chain, protein.sequence, raw.name)
    resolved = index >= 0
    codes = {}
    for name, observed in raw.codes.items():
        spread = np.full((len(observed), len(index)), alphabet(name).mask, np.uint8)
        spread[:, resolved] = observed[:, index[resolved]]
        codes[name] = spread
    plddt = None
    if raw.plddt is not None:
        plddt = np.zeros(len(index), np.uint8)
        plddt[resolved] = raw.plddt[index[resolved]]
    tokens = StructureTokens(protein.digest, source, codes, plddt, tool())
    return TokenisedChain(protein, tokens, float(resolved.mean()), raw.name)


def tool() -> str:
    """What makes the tokens, with versions."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in ("mini3di", "mdtraj"))
