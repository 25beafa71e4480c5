"""Predictions along proteins, written onto the structures they were predicted for.

What stands in the B-factor column: of runs on residues a value; of two classes the probability of
the second; of more the number of the most probable class, from 0. Of runs on proteins that pool by
attention, how much each residue counts, where 1 is the mean. `meaning` says it in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError, StructureError
from ...proteins import Protein
from ...streaming.reader import EmbeddingRows
from ...streaming.splittokens import TokenRows
from ...structures.bfactors import NONE, none_of, write_bfactors
from ...structures.chains import Structure
from ...structures.matching import PlacedChain, ProteinMatcher
from ...structures.naming import stem
from ...structures.structure_files import StructureFile
from ...tasks import Problem
from ...training.predictor import Predictor, attention_absence
from ...training.runs import Run


@dataclass(frozen=True, eq=False)
class ResidueValues:
    """What was predicted along a protein.

    Parameters
    ----------
    sequence : str, length L
    values : ndarray, shape=(L,), dtype=float64
    ids : list of str
        Under which it was predicted for.
    """

    sequence: str
    values: NDArray[np.float64]
    ids: list[str]


@dataclass
class WrittenStructures:
    """Structures with values; the key ``bfactors`` of ``predict --json``.

    Parameters
    ----------
    folder : str
        Where they are.
    meaning : str
        What the values are, in words.
    none : float
        B-factor of residues without a value.
    files : list of str
        What was written.
    residues : int
        Residues with a value.
    without : int
        Residues of the files without one: of other chains, or beyond the protein's sequence.
    unresolved : int
        Residues of the proteins that have no coordinates.
    failed : dict of str to str
        Structure, or structure and chain, to why it has no values.
    """

    folder: str
    meaning: str = ""
    none: float = NONE
    files: list[str] = field(default_factory=list)
    residues: int = 0
    without: int = 0
    unresolved: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def residue_values(score: Tensor, problem: Problem) -> NDArray[np.float64]:
    """Numbers to colour residues by, shape=(L,), from scores [L, C] or [L]."""
    if problem.is_regression:
        return np.asarray(score.double().numpy())
    if score.shape[1] == 2:
        return np.asarray(score[:, 1].double().numpy())
    return np.asarray(score.argmax(1).double().numpy())


def values_along(
    predictor: Predictor,
    scores: Sequence[Tensor],
    digests: NDArray[np.uint8],
    embeddings: EmbeddingRows,
    tokens: TokenRows | None,
) -> list[NDArray[np.float64]]:
    """Values of the residues of some proteins: what is predicted of them, or how much they count.

    Parameters
    ----------
    predictor : Predictor
        Of the run.
    scores : sequence of Tensor, length N
        What it predicts.
    digests : ndarray, shape=(N, 32), dtype=uint8
    embeddings : EmbeddingRows
    tokens : TokenRows or None

    Returns
    -------
    list of ndarray, shape=(L,), dtype=float64
        See `meaning`; empty where it has nothing to say of residues.
    """
    problem = Problem(predictor.run.task["problem"])
    if problem.per_residue:
        return [residue_values(score, problem) for score in scores]
    weights = predictor.pooling_weights(digests, embeddings, tokens) or []
    return [row * len(row) for row in weights]


def meaning(runs: Sequence[Run]) -> str:
    """What the values of a run, or of one training's runs by several seeds, are.

    Raises
    ------
    InputError
        It predicts whole proteins, and has no attention over residues.
    """
    problem, names = Problem(runs[0].task["problem"]), runs[0].task["classes"]
    if not problem.per_residue:
        if reason := attention_absence(runs):
            raise InputError(
                f"'{runs[0].path}' predicts whole proteins, and {reason}, so there is nothing to "
                f"write onto a structure. Name a run on residues, or one whose adapter pools by "
                f"--pooling attention1d, or leave out --bfactors"
            )
        return "attention, 1 is the mean"
    if problem.is_regression:
        return str(names[0])
    if len(names) == 2:
        return f"probability of {names[1]}"
    return "most probable class: " + ", ".join(f"{k} {name}" for k, name in enumerate(names))


def check_structures(files: Sequence[StructureFile]) -> None:
    """Raise `InputError` if there is no structure to write onto."""
    if not files:
        raise InputError(
            "there is no structure to write predictions onto. Name PDB or mmCIF files, folders of "
            "them, or models (afdb:P69905)"
        )


def write_structures(
    files: Iterable[StructureFile],
    predicted: Mapping[bytes, ResidueValues],
    folder: Path,
    words: str = "",
) -> WrittenStructures:
    """Write each structure that was predicted for, with its residues' values as B-factors.

    Parameters
    ----------
    files : iterable of StructureFile
        The structures.
    predicted : mapping of bytes to ResidueValues
        By digest.
    folder : path
        Takes a file a structure, named as it is.
    words : str
        What the values are, see `meaning`.
    """
    report = WrittenStructures(str(folder), words)
    everything = [entry.values for entry in predicted.values()]
    report.none = none_of(np.concatenate(everything)) if everything else NONE
    matcher = ProteinMatcher(
        Protein(name, entry.sequence) for entry in predicted.values() for name in entry.ids
    )
    stems: set[str] = set()
    for file in files:
        try:
            structure = file.parse()
        except StructureError as problem:
            report.failed[str(file.path)] = str(problem)
            continue
        placed = _placed(structure, matcher, report)
        if placed:
            values = {p.chain.id: p.values(predicted[p.protein.digest].values) for p in placed}
            name = _unused(stem(file.path), stems)
            path = write_bfactors(structure, values, folder / name, report.none)
            report.files.append(str(path))
            _count(report, structure, placed, values)
    return report


def _placed(
    structure: Structure, matcher: ProteinMatcher, report: WrittenStructures
) -> list[PlacedChain]:
    """Chains that were predicted for; of the others the report takes the reason."""
    placed = []
    for chain in structure.chains:
        name = f"{structure.path}, chain {chain.id}"
        try:
            match = matcher.match(structure, chain)
        except StructureError as problem:
            report.failed[name] = str(problem)
            continue
        if match is None:
            report.failed[name] = "nothing was predicted for it"
        else:
            placed.append(match)
    return placed


def _count(
    report: WrittenStructures,
    structure: Structure,
    placed: Sequence[PlacedChain],
    values: Mapping[str, NDArray[Any]],
) -> None:
    with_value = sum(int(np.isfinite(column).sum()) for column in values.values())
    report.residues += with_value
    report.without += sum(map(len, structure.chains)) - with_value
    report.unresolved += sum(chain.unresolved for chain in placed)


def _unused(name: str, stems: set[str]) -> str:
    """A name no structure of this run has taken: folders may hold files of one name."""
    unused, number = name, 2
    while unused in stems:
        unused, number = f"{name}-{number}", number + 1
    stems.add(unused)
    return unused
