"""The atoms of a structure file as columns: what every format becomes.

One entry an atom, in the file's order, all models one after the other. Nothing is left out or
chosen here (see `polymer`), so that every format meets the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.bytes_]


@dataclass(frozen=True, eq=False)
class AtomTable:
    """One entry an atom.

    Parameters
    ----------
    model : ndarray, shape=(n,), dtype=int64
        Number of the model, not falling.
    chain, residue_name, atom_name, insertion, altloc, element : ndarray, shape=(n,), dtype=bytes
        As the file has them, blanks removed; ``b""`` where it says nothing.
    segment : ndarray, shape=(n,), dtype=bytes
        A second name of the chain: PDB's segment, mmCIF's ``label_asym_id``.
    part : ndarray, shape=(n,), dtype=int64
        How many TER (or END) of its model stand before the atom.
    number : ndarray, shape=(n,), dtype=int64
        Author's residue number.
    position : ndarray, shape=(n,), dtype=int64
        Place of the residue in its chain's full sequence, from 0; -1 where the file does not say.
    polymer : ndarray, shape=(n,), dtype=bool
        Whether the atom may belong to a polymer (False for ligands and waters, where known).
    hetero : ndarray, shape=(n,), dtype=bool
        Whether its record is HETATM.
    xyz : ndarray, shape=(n, 3), dtype=float32
        Angstrom.
    bfactor, occupancy : ndarray, shape=(n,), dtype=float32
        The B-factor (or confidence) is NaN where the file has none.
    """

    model: NDArray[np.int64]
    chain: Bytes
    segment: Bytes
    part: NDArray[np.int64]
    residue_name: Bytes
    atom_name: Bytes
    insertion: Bytes
    altloc: Bytes
    element: Bytes
    number: NDArray[np.int64]
    position: NDArray[np.int64]
    polymer: NDArray[np.bool_]
    hetero: NDArray[np.bool_]
    xyz: NDArray[np.float32]
    bfactor: NDArray[np.float32]
    occupancy: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.model)

    def __getitem__(self, rows: Any) -> AtomTable:
        """Some of the atoms: a mask, a slice or an array of rows."""
        return AtomTable(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True)
class Origin:
    """What a file states about where its coordinates and its B-factors come from.

    Parameters
    ----------
    experiment : str
        The experimental method (EXPDTA, ``_exptl.method``); empty where none is stated.
    confidence : bool or None
        Whether its B-factors, or the metric that stands in their place, are pLDDT; None where the
        file does not say.
    """

    experiment: str = ""
    confidence: bool | None = None


@dataclass(frozen=True, eq=False)
class Parsed:
    """What a reader of one format gives.

    Parameters
    ----------
    atoms : AtomTable
        All atoms.
    sequences : dict of str to str
        Full sequence of a chain, by the author's chain id, where the file states it.
    origin : Origin
        Experiment or prediction.
    begins : dict of str to int
        Place in the database sequence (from 0) where a chain begins, by chain id, where stated.
    parts : int
        `part` behind the last TER of the first model: what is below it was ended by one.
    stated : bool
        Whether the file itself states which atoms are of a polymer, and their order (mmCIF's
        ``label_seq_id`` with the sequences it counts in).
    """

    atoms: AtomTable
    sequences: dict[str, str] = field(default_factory=dict)
    origin: Origin = Origin()
    begins: dict[str, int] = field(default_factory=dict)
    parts: int = 0
    stated: bool = False
