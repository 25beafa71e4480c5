"""Predictions of residues, written onto the structures they were predicted for.

What stands in the B-factor column: a value; of two classes the probability of the second; of more
the number of the most probable class, from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError, StructureError
from ...proteins import digest_of, normalise
from ...structures.alignment import place
from ...structures.bfactors import write_bfactors
from ...structures.chains import Chain, parse_structure
from ...structures.structure_files import is_structure_path, structure_files
from ...tasks import Problem


@dataclass(frozen=True, eq=False)
class ResidueValues:
    """What was predicted along a protein.

    Parameters
    ----------
    sequence : str, length L
    values : ndarray, shape=(L,), dtype=float64
    """

    sequence: str
    values: NDArray[np.float64]


@dataclass
class WrittenStructures:
    """Structures with predictions.

    Parameters
    ----------
    files : list of path
        What was written.
    failed : dict of str to str
        Structure, or structure and chain, to why it has no predictions.
    """

    files: list[Path] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def residue_values(score: Tensor, problem: Problem) -> NDArray[np.float64]:
    """Numbers to colour residues by, shape=(L,), from scores [L, C] or [L]."""
    if problem.is_regression:
        return np.asarray(score.double().numpy())
    if score.shape[1] == 2:
        return np.asarray(score[:, 1].double().numpy())
    return np.asarray(score.argmax(1).double().numpy())


def write_structures(
    names: Iterable[str], predicted: Mapping[bytes, ResidueValues], folder: Path
) -> WrittenStructures:
    """Write each structure that was predicted for, with its residues' values as B-factors.

    Parameters
    ----------
    names : iterable of str
        What was predicted for; structure files, folders and tar files of them among it.
    predicted : mapping of bytes to ResidueValues
        By digest.
    folder : path
        Takes a file a structure, named as it is.

    Raises
    ------
    InputError
        None of the names is a structure.
    """
    files = structure_files([Path(name) for name in names if is_structure_path(Path(name))])
    if not files:
        raise InputError(
            "there is no structure to write predictions onto. Name PDB or mmCIF files, or folders"
        )
    report = WrittenStructures()
    for file in files:
        name = str(file.path)
        try:
            structure = parse_structure(file.path, file.read())
            values = {}
            for chain in structure.chains:
                onto = _on_chain(chain, predicted, name)
                if onto is None:
                    report.failed[f"{name}, chain {chain.id}"] = "nothing was predicted for it"
                else:
                    values[chain.id] = onto
            if values:
                stem = file.path.name.removesuffix(".gz").rsplit(".", 1)[0]
                report.files.append(
                    write_bfactors(structure, values, _unused(folder / stem, report))
                )
        except StructureError as problem:
            report.failed[name] = str(problem)
    return report


def _on_chain(
    chain: Chain, predicted: Mapping[bytes, ResidueValues], name: str
) -> NDArray[np.float64] | None:
    """Values of a chain's resolved residues; None where its protein was not predicted for."""
    for text in filter(None, (chain.sequence, chain.residues)):
        values_of = predicted.get(digest_of(normalise(text)))
        if values_of is not None:
            values = np.full(len(chain), np.nan)
            residues = place(chain, values_of.sequence, f"{name}, chain {chain.id}")
            resolved = residues >= 0
            values[residues[resolved]] = values_of.values[resolved]
            return values
    return None


def _unused(stem: Path, report: WrittenStructures) -> Path:
    """A stem no structure of this run has taken: folders may hold files of one name."""
    stems = {path.with_suffix("") for path in report.files}
    unused, number = stem, 2
    while unused in stems:
        unused, number = stem.with_name(f"{stem.name}-{number}"), number + 1
    return unused
