"""Relative solvent accessibility of residues, from coordinates.

The accessible surface (Shrake & Rupley 1973, doi:10.1016/0022-2836(73)90011-9; by biotite, ProtOr
radii) of each residue over the largest it can have (Tien et al. 2013, theoretical values,
doi:10.1371/journal.pone.0080635).
"""

from __future__ import annotations

import biotite.structure as struc
import numpy as np
from numpy.typing import NDArray

from .chains import Chain, Structure

BURIED_BELOW = 0.25
"""Residues with less relative accessibility count as buried."""

_MAXIMA = {
    "A": 129.0, "R": 274.0, "N": 195.0, "D": 193.0, "C": 167.0, "E": 223.0, "Q": 225.0,
    "G": 104.0, "H": 224.0, "I": 197.0, "L": 201.0, "K": 236.0, "M": 224.0, "F": 240.0,
    "P": 159.0, "S": 155.0, "T": 172.0, "W": 285.0, "Y": 263.0, "V": 174.0,
}  # fmt: skip
"""Tien et al. 2013, table 1, theoretical, in square Angstrom."""


def relative_accessibility(structure: Structure, chain: Chain) -> NDArray[np.float32]:
    """Relative solvent accessibility of a chain's residues, the chain taken by itself.

    Parameters
    ----------
    structure : Structure
        With the atoms of the first model.
    chain : Chain
        One of its chains.

    Returns
    -------
    ndarray, shape=(L,), dtype=float32
        About 0 (buried) to 1 (as in an extended tripeptide, sometimes more); NaN for residues
        without a maximum (unknown ones).
    """
    rows = structure.rows(chain)
    rows = rows[np.char.upper(structure.table.element[rows]) != b"H"]
    areas = struc.sasa(structure.atoms[rows], vdw_radii="ProtOr", ignore_ions=False)
    # By the residues' places: biotite would take two that share number and name for one.
    by_residue = np.bincount(structure.residue[rows], np.nan_to_num(areas), len(chain))
    maxima = np.array([_MAXIMA.get(letter, np.nan) for letter in chain.residues])
    relative: NDArray[np.float32] = (by_residue / maxima).astype(np.float32)
    return relative
