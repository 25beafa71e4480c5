"""Solvent accessibility, against what a lone residue and a hydrogen must make of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.jobs.demo import demo_files
from sesstore.structures.accessibility import relative_accessibility
from sesstore.structures.chains import Structure, read_structure

from .conftest import atom, read


@pytest.fixture(scope="module")
def structure() -> Structure:
    path: Path = next(path for path, _ in demo_files().values())
    return read_structure(path)


def test_it_is_a_share_with_inside_and_outside(structure: Structure) -> None:
    (chain, *_) = structure.chains
    relative = relative_accessibility(structure, chain)
    assert relative.shape == (len(chain.residues),)
    assert relative.dtype == np.float32
    finite = relative[np.isfinite(relative)]
    assert finite.min() < 0.1
    assert 0.5 < finite.max() < 1.5


def test_hydrogens_make_no_difference(structure: Structure) -> None:
    """Files of NMR and of minimised models have them, those of crystals not."""
    (chain, *_) = structure.chains
    size = len(structure.table)
    alphas = np.flatnonzero(structure.table.atom_name == b"CA")
    order = np.sort(np.r_[np.arange(size), alphas], kind="stable")
    table = structure.table[order]
    hydrogens = np.flatnonzero(np.r_[False, order[1:] == order[:-1]])
    table.xyz[hydrogens] += 0.9
    table.atom_name[hydrogens], table.element[hydrogens] = b"HA", b"H"
    protonated = replace(structure, table=table, residue=structure.residue[order])
    assert len(protonated.table) == size + len(chain)  # as if the file had them
    np.testing.assert_allclose(
        relative_accessibility(protonated, chain), relative_accessibility(structure, chain)
    )


def test_a_residue_is_held_against_its_own_maximum_and_the_chain_taken_alone() -> None:
    """Alphas far apart: each has the surface of a sphere of 1.88 (ProtOr) plus 1.4 Angstrom."""
    names = ("ALA", "TRP", "UNK", "GLU", "GLN")
    text = "".join(atom("CA", name, n, (50.0 * n, 0, 0), chain="B") for n, name in enumerate(names))
    beside = "".join(atom("CA", "ALA", n, (50.0 * n, 2, 0)) for n in range(len(names)))
    structure = read(beside + text)
    second = structure.chains[1]
    assert second.id == "B"
    sphere = 4 * np.pi * (1.88 + 1.4) ** 2
    np.testing.assert_allclose(
        relative_accessibility(structure, second),
        [sphere / 129, sphere / 285, np.nan, sphere / 223, sphere / 225],
        rtol=1e-5,
    )


def test_two_residues_of_one_number_have_their_own_surfaces(shared_cases: Path) -> None:
    """As the same chain has them where each has a number of its own."""
    folder = shared_cases / "03-same-auth-number"
    fault, right = (read_structure(folder / f"{name}.cif") for name in ("dup_auth", "right"))
    np.testing.assert_allclose(
        relative_accessibility(fault, fault.chains[0]),
        relative_accessibility(right, right.chains[0]),
        rtol=1e-5,
    )
