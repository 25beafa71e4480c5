"""Write a structure with values of its residues in the B-factor column, for PyMOL and ChimeraX.

All protein atoms of the first model are written, of alternate locations those that count, each with
the value of its residue; chains, numbers and insertion codes are the author's. The file is PDB
where that can hold it (chain names of one letter, fewer than 100,000 atoms, residue numbers of four
digits, values that two decimals do not change), else mmCIF.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .chains import Chain, Structure

NONE = -1.0
"""B-factor of residues without a value where no value is negative: colours can leave it out."""
_MOST_ATOMS, _NUMBERS, _REACH = 99_999, (-999, 9999), (-999.0, 9999.0)
_VALUES, _SMALLEST = (-98.0, 999.0), 0.5
"""Values that fit PDB's six columns; and the greatest of a file from which on its two decimals are
a hundredth of it at most."""


def none_of(values: NDArray[np.floating[Any]]) -> float:
    """B-factor of residues without a value, below all values: -1 unless some are negative."""
    least = float(np.min(values, initial=np.inf, where=np.isfinite(values)))
    return NONE if least >= 0 else float(np.floor(least) - 1)


def write_bfactors(
    structure: Structure,
    values: Mapping[str, NDArray[np.floating[Any]]],
    stem: Path,
    none: float = NONE,
) -> Path:
    """Write the file; return its path, `stem` with ``.pdb`` or ``.cif``.

    Parameters
    ----------
    structure : Structure
    values : mapping of str to ndarray, shape=(L,)
        By chain id, for each residue of the chain that has coordinates; NaN where there is none.
    stem : path
        Without a suffix.
    none : float
        What residues without a value get.
    """
    column = _by_atom(structure, values, none)
    stem.parent.mkdir(parents=True, exist_ok=True)
    if not _fits_pdb(structure) or not _survive_pdb(column[column != none]):
        path = stem.with_name(f"{stem.name}.cif")
        _write_mmcif(structure, column, path)
        return path
    from biotite.structure.io.pdb import PDBFile

    atoms = structure.atoms.copy()
    atoms.set_annotation("b_factor", column)
    atoms.set_annotation("occupancy", np.ones(len(atoms)))
    path, file = stem.with_name(f"{stem.name}.pdb"), PDBFile()
    file.set_structure(atoms)
    file.write(path)
    return path


def _by_atom(
    structure: Structure, values: Mapping[str, NDArray[np.floating[Any]]], none: float
) -> NDArray[np.float64]:
    """Value of each atom's residue."""
    column = np.full(len(structure.table), none)
    for chain in structure.chains:
        if chain.id in values:
            rows = structure.rows(chain)
            of_atoms = np.asarray(values[chain.id], np.float64)[structure.residue[rows]]
            column[rows] = np.where(np.isfinite(of_atoms), of_atoms, none)
    return column


def _fits_pdb(structure: Structure) -> bool:
    table = structure.table
    return (
        len(table) <= _MOST_ATOMS
        and all(len(chain.id) == 1 for chain in structure.chains)
        and _within(table.number, _NUMBERS)
        and _within(table.xyz, _REACH)
        and int(np.char.str_len(table.residue_name).max()) <= 3
        and int(np.char.str_len(table.atom_name).max()) <= 4
    )


def _survive_pdb(values: NDArray[np.float64]) -> bool:
    """Whether PDB's column holds values, but for a hundredth of the greatest."""
    return not values.any() or (
        _within(values, _VALUES) and float(np.abs(values).max()) >= _SMALLEST
    )


def _within(values: NDArray[Any], bounds: tuple[float, float]) -> bool:
    return bool(values.min() >= bounds[0] and values.max() <= bounds[1])


def _write_mmcif(structure: Structure, column: NDArray[np.float64], path: Path) -> None:
    """Write the atoms; ``label_seq_id`` counts residues, or is their place in the full sequence."""
    from biotite.structure.io.pdbx import CIFBlock, CIFCategory, CIFFile

    table = structure.table
    chains, names = _text(table.chain), _text(table.residue_name)
    insertions = _text(table.insertion)
    place = np.concatenate([_places(structure, chain) for chain in structure.chains])
    x, y, z = np.char.mod("%.3f", table.xyz.T)
    columns = {
        "group_PDB": np.full(len(table), "ATOM"),
        "id": np.arange(1, len(table) + 1),
        "type_symbol": np.char.upper(_text(table.element)),
        "label_atom_id": _text(table.atom_name),
        "label_alt_id": np.full(len(table), "."),
        "label_comp_id": names,
        "label_asym_id": _stated(chains, "."),
        "label_entity_id": np.full(len(table), "?"),
        "label_seq_id": place,
        "pdbx_PDB_ins_code": _stated(insertions, "?"),
        "Cartn_x": x,
        "Cartn_y": y,
        "Cartn_z": z,
        "occupancy": np.full(len(table), "1.00"),
        "B_iso_or_equiv": np.char.mod("%.6g", column),
        "auth_seq_id": table.number,
        "auth_comp_id": names,
        "auth_asym_id": _stated(chains, "."),
        "auth_atom_id": _text(table.atom_name),
        "pdbx_PDB_model_num": np.ones(len(table), np.int64),
    }
    file = CIFFile({"sesstore": CIFBlock({"atom_site": CIFCategory(columns)})})
    file.write(path)


def _places(structure: Structure, chain: Chain) -> NDArray[np.int64]:
    residues = np.arange(len(chain)) if chain.positions is None else chain.positions
    places: NDArray[np.int64] = residues[structure.residue[structure.rows(chain)]] + 1
    return places


def _text(words: NDArray[np.bytes_]) -> NDArray[np.str_]:
    return np.char.decode(words, "latin-1")


def _stated(words: NDArray[np.str_], absent: str) -> NDArray[np.str_]:
    return np.where(words == "", absent, words)
