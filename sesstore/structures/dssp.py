"""DSSP's eight states (Kabsch & Sander 1983, doi:10.1002/bip.360221211), through mdtraj.

All chains of a file are assigned together, because strands pair across chains. A chain is cut where
the peptide bond is longer than DSSP allows. Residues that lack N, CA, C or O are masked.
"""

from __future__ import annotations

from collections.abc import Sequence

import mdtraj
import numpy as np
from numpy.typing import NDArray

from ..alphabets import DSSP
from .chains import Chain

_PEPTIDE_BOND = 2.5
"""Longest C-N distance of a peptide bond, in Angstrom, as DSSP has it."""

_BACKBONE_ATOMS = [0, 1, 2, 4]
"""N, CA, C and O among the backbone atoms."""


def tokens_dssp(chains: Sequence[Chain]) -> list[NDArray[np.uint8]]:
    """DSSP codes of all chains of a structure.

    Parameters
    ----------
    chains : sequence of Chain
        With equally many models.

    Returns
    -------
    list of ndarray, shape=(M, L), dtype=uint8
        For each chain and model, one code a resolved residue.
    """
    codes = [np.full(chain.backbone.shape[:2], DSSP.mask, np.uint8) for chain in chains]
    bounds = np.cumsum([0, *(len(chain) for chain in chains)])
    complete = np.concatenate(
        [np.isfinite(chain.backbone[:, :, _BACKBONE_ATOMS]).all((2, 3)) for chain in chains], axis=1
    )
    # Models that lack the same residues are assigned together; nearly always that is all of them.
    kinds, kind_of = np.unique(complete, axis=0, return_inverse=True)
    for kind, rows in enumerate(kinds):
        models = np.flatnonzero(kind_of.reshape(-1) == kind)
        if not rows.any():
            continue
        all_codes = np.full((len(models), len(rows)), DSSP.mask, np.uint8)
        parts = np.split(rows, bounds[1:-1])
        all_codes[:, rows] = _assigned(chains, models, parts)
        for chain_codes, start, stop in zip(codes, bounds[:-1], bounds[1:], strict=True):
            chain_codes[models] = all_codes[:, start:stop]
    return codes


def _assigned(
    chains: Sequence[Chain], models: NDArray[np.int64], parts: Sequence[NDArray[np.bool_]]
) -> NDArray[np.uint8]:
    """Codes of the complete residues of some models, [M, residues of all chains]."""
    topology, coordinates = _topology(chains, models, parts)
    xyz = np.concatenate(coordinates, axis=1) / 10  # mdtraj measures in nm
    states = mdtraj.compute_dssp(mdtraj.Trajectory(xyz, topology), simplified=False)
    return DSSP.encode("".join(states.reshape(-1).tolist())).reshape(states.shape)


def _topology(
    chains: Sequence[Chain], models: NDArray[np.int64], complete: Sequence[NDArray[np.bool_]]
) -> tuple[mdtraj.Topology, list[NDArray[np.float32]]]:
    """Four atoms a residue; a chain of mdtraj's for each unbroken stretch."""
    topology, coordinates = mdtraj.Topology(), []
    elements = [mdtraj.element.nitrogen, mdtraj.element.carbon, mdtraj.element.carbon]
    elements.append(mdtraj.element.oxygen)
    for chain, rows in zip(chains, complete, strict=True):
        if not rows.any():
            continue
        atoms = chain.backbone[models][:, rows][:, :, _BACKBONE_ATOMS]
        bonds = np.linalg.norm(atoms[0, :-1, 2] - atoms[0, 1:, 0], axis=-1)
        breaks = np.r_[True, bonds > _PEPTIDE_BOND]
        letters = np.array(list(chain.residues))[rows]
        for letter, starts in zip(letters, breaks, strict=True):
            if starts:
                stretch = topology.add_chain()
            residue = topology.add_residue("PRO" if letter == "P" else "ALA", stretch)
            for name, element in zip(("N", "CA", "C", "O"), elements, strict=True):
                topology.add_atom(name, element, residue)
        coordinates.append(atoms.reshape(len(atoms), -1, 3))
    return topology, coordinates
