"""Which atoms are of amino acids, and which of their alternate locations counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .atoms import AtomTable
from .letters import is_amino_acid
from .polymer import residue_numbers


def protein_atoms(atoms: AtomTable) -> tuple[AtomTable, dict[str, int]]:
    """Atoms of amino acids with a C-alpha, and how many residues have none.

    Parameters
    ----------
    atoms : AtomTable
        All atoms of a file.

    Returns
    -------
    atoms : AtomTable
        Of all models.
    lacking : dict of str to int
        Residues of the first model without a C-alpha, by the author's chain id.
    """
    atoms = atoms[atoms.polymer]
    alpha = (atoms.atom_name == b"CA") & (atoms.element != b"CA")
    residue = residue_numbers(atoms)
    with_alpha = np.zeros(int(residue[-1]) + 1 if len(residue) else 0, bool)
    with_alpha[residue[alpha]] = True
    amino_acid = _is_amino_acid(atoms, residue)
    lacks = amino_acid & ~atoms.hetero & ~with_alpha[residue] & (atoms.model == atoms.model[:1])
    rows = np.flatnonzero(lacks)
    rows = rows[np.unique(residue[rows], return_index=True)[1]]
    lacking: dict[str, int] = {}
    for name in atoms.chain[rows].tolist():
        lacking[name.decode("latin-1")] = lacking.get(name.decode("latin-1"), 0) + 1
    return atoms[with_alpha[residue] & amino_acid], lacking


def _is_amino_acid(atoms: AtomTable, residue: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether an atom's residue is an amino acid: by its name, or by N, CA and C."""
    names, name_index = np.unique(atoms.residue_name, return_inverse=True)
    by_name = np.array([is_amino_acid(name.decode("latin-1")) for name in names.tolist()], bool)
    amino_acid = by_name[name_index] if len(names) else np.zeros(0, bool)
    if amino_acid.all():
        return amino_acid
    complete = np.ones(int(residue[-1]) + 1, bool)
    for name in (b"N", b"CA", b"C"):
        has = np.zeros(len(complete), bool)
        has[residue[atoms.atom_name == name]] = True
        complete &= has
    return amino_acid | complete[residue]


def best_location(atoms: AtomTable, residue: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Atoms without alternate locations, or of their residue's most occupied one.

    Parameters
    ----------
    atoms : AtomTable
    residue : ndarray, shape=(n,), dtype=int64
        Residue of each atom.

    Returns
    -------
    ndarray, shape=(n,), dtype=bool
    """
    alternate = np.flatnonzero(atoms.altloc != b"")
    counts = np.ones(len(atoms), bool)
    if not len(alternate):
        return counts
    letters, letter = np.unique(atoms.altloc[alternate], return_inverse=True)
    # One number a residue and letter that occur together: there may be many of both.
    pair, of_pair = np.unique(
        residue[alternate] * len(letters) + letter.reshape(-1), return_inverse=True
    )
    occupancy = np.zeros(len(pair))
    np.add.at(occupancy, of_pair, atoms.occupancy[alternate])
    owner = pair // len(letters)
    # Sorted by residue, then occupancy, then letter: of each residue the last one; of equals too.
    order = np.lexsort((pair, occupancy, owner))
    last = np.r_[owner[order][1:] != owner[order][:-1], True]
    best = np.zeros(len(pair), bool)
    best[order[last]] = True
    counts[alternate] = best[of_pair]
    return counts
