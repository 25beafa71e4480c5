"""Write a structure with values of its residues in the B-factor column, for PyMOL and ChimeraX.

All protein atoms of the first model are written, each with the value of its residue; residues
without one get `NONE`. The file is PDB where that can hold it (chain names of one letter, fewer
than 100,000 atoms, residue numbers of four digits), else mmCIF.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .chains import Structure

NONE = -1.0
"""B-factor of residues without a value: below all probabilities, so colours leave it out."""
_MOST_ATOMS, _NUMBERS = 99_999, (-999, 9999)


def write_bfactors(
    structure: Structure, values: Mapping[str, NDArray[np.floating[Any]]], stem: Path
) -> Path:
    """Write the file; return its path, `stem` with ``.pdb`` or ``.cif``.

    Parameters
    ----------
    structure : Structure
    values : mapping of str to ndarray, shape=(L,)
        By chain id, for each residue of the chain that has coordinates; NaN where there is none.
    stem : path
        Without a suffix.
    """
    atoms = structure.atoms.copy()
    atoms.set_annotation("b_factor", _by_atom(structure, values))
    atoms.set_annotation("occupancy", np.ones(len(atoms)))
    stem.parent.mkdir(parents=True, exist_ok=True)
    if _fits_pdb(structure):
        from biotite.structure.io.pdb import PDBFile

        path, file = stem.with_name(f"{stem.name}.pdb"), PDBFile()
        file.set_structure(atoms)
        file.write(path)
        return path
    from biotite.structure.io.pdbx import CIFFile, set_structure

    path, cif = stem.with_name(f"{stem.name}.cif"), CIFFile()
    set_structure(cif, atoms, data_block="sesstore")
    cif.write(path)
    return path


def _by_atom(
    structure: Structure, values: Mapping[str, NDArray[np.floating[Any]]]
) -> NDArray[np.float64]:
    """Value of each atom's residue."""
    table, column = structure.table, np.full(len(structure.table), NONE)
    for chain in structure.chains:
        if chain.id not in values:
            continue
        rows = np.flatnonzero(table.chain == chain.id.encode("latin-1"))
        residues = {
            (number, insertion): place
            for place, (number, insertion) in enumerate(
                zip(chain.numbers.tolist(), chain.insertions.tolist(), strict=True)
            )
        }
        insertions = np.char.decode(table.insertion[rows], "latin-1").tolist()
        for row, number, insertion in zip(
            rows.tolist(), table.number[rows].tolist(), insertions, strict=True
        ):
            place = residues.get((number, insertion))
            if place is not None and np.isfinite(values[chain.id][place]):
                column[row] = values[chain.id][place]
    return column


def _fits_pdb(structure: Structure) -> bool:
    numbers = structure.table.number
    return (
        len(structure.table) <= _MOST_ATOMS
        and all(len(chain.id) == 1 for chain in structure.chains)
        and bool(numbers.min() >= _NUMBERS[0] and numbers.max() <= _NUMBERS[1])
    )
