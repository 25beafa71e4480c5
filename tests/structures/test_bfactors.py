from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.jobs.demo import demo_files
from sesstore.structures.bfactors import NONE, none_of, write_bfactors
from sesstore.structures.chains import Structure, read_structure


@pytest.fixture
def structure() -> Structure:
    return read_structure(demo_files()["1ahs_A"][0])


def test_values_come_back_by_residue_and_coordinates_stay(
    structure: Structure, tmp_path: Path
) -> None:
    (chain,) = structure.chains
    values = np.linspace(0, 1, len(chain))
    values[3] = np.nan
    path = write_bfactors(structure, {chain.id: values}, tmp_path / "out" / "1ahs")
    assert path.name == "1ahs.pdb"
    (again,) = read_structure(path).chains
    assert again.residues == chain.residues
    np.testing.assert_array_equal(again.numbers, chain.numbers)
    np.testing.assert_allclose(again.backbone, chain.backbone, atol=1e-3)
    np.testing.assert_allclose(again.bfactors, np.nan_to_num(values, nan=NONE), atol=6e-3)


def test_what_pdb_cannot_hold_is_written_as_mmcif(structure: Structure, tmp_path: Path) -> None:
    (chain,) = structure.chains
    renamed = replace(
        structure,
        chains=[replace(chain, id="A-2")],
        table=replace(structure.table, chain=np.full(len(structure.table), b"A-2")),
    )
    values = np.linspace(0, 1, len(chain))
    path = write_bfactors(renamed, {"A-2": values}, tmp_path / "1ahs")
    assert path.name == "1ahs.cif"
    (again,) = read_structure(path).chains
    assert again.id == "A-2"
    np.testing.assert_allclose(again.bfactors, values, atol=6e-3)


FILES = (
    "structures/1igy.cif", "structures/1k6p.pdb", "structures/1l2y.cif", "structures/3o5r.cif",
    "cases/02-hybrid36/titin_part.pdb", "cases/03-same-auth-number/dup_auth.cif",
    "cases/04-chains-without-ids/one_chain.pdb", "cases/12-microheterogeneity/micro.cif",
    "cases/13-modified-residues/midchain_ter.pdb", "cases/47-negative-numbers/neg.pdb",
)  # fmt: skip
"""Insertion codes, several chains and models, alternate locations, numbers beyond 9999, a number
that comes twice, no chain id, modified residues, numbers below zero."""


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("greatest", [1.0, 0.01])
def test_whatever_the_file_each_residue_keeps_its_value(
    shared_structures: Path, tmp_path: Path, name: str, greatest: float
) -> None:
    gemmi = pytest.importorskip("gemmi")
    structure = read_structure(shared_structures.parent / name)
    values = {c.id: np.linspace(0, greatest, len(c)) for c in structure.chains}
    values[structure.chains[0].id][3] = np.nan
    path = write_bfactors(structure, values, tmp_path / "out")
    assert (path.suffix == ".cif") == (greatest < 0.5 or "titin" in name or "one_chain" in name)
    again = read_structure(path)
    assert [chain.id for chain in again.chains] == [chain.id for chain in structure.chains]
    for chain, copy in zip(structure.chains, again.chains, strict=True):
        assert copy.residues == chain.residues
        np.testing.assert_array_equal(copy.numbers, chain.numbers)
        np.testing.assert_array_equal(copy.insertions, chain.insertions)
        np.testing.assert_allclose(copy.backbone[0], chain.backbone[0], atol=1e-3)
        expected = np.nan_to_num(values[chain.id], nan=NONE)
        atol = 6e-3 if path.suffix == ".pdb" else 1e-6
        np.testing.assert_allclose(copy.bfactors, expected, atol=atol)
    atoms = [a for m in gemmi.read_structure(str(path)) for c in m for r in c for a in r]
    assert len(atoms) == len(structure.table)


def test_values_that_two_decimals_would_change_are_written_as_mmcif(
    structure: Structure, tmp_path: Path
) -> None:
    (chain,) = structure.chains
    for value, suffix in ((0.004, ".cif"), (1234.5, ".cif"), (0.0, ".pdb"), (-12.0, ".pdb")):
        column = np.full(len(chain), value)
        path = write_bfactors(structure, {chain.id: column}, tmp_path / "out", none_of(column))
        assert path.suffix == suffix
        np.testing.assert_allclose(read_structure(path).chains[0].bfactors, value, rtol=1e-5)


def test_residues_without_a_value_lie_below_all_values() -> None:
    assert none_of(np.array([0.0, np.nan, 3])) == NONE
    assert none_of(np.array([-2.5, np.nan])) == -4
    assert none_of(np.array([np.nan])) == NONE


def test_chains_and_residues_without_values_get_what_is_named_for_them(
    shared_structures: Path, tmp_path: Path
) -> None:
    structure = read_structure(shared_structures / "1k6p.pdb")
    values = np.linspace(-8, 8, 99)
    values[[0, 98]] = np.nan
    path = write_bfactors(structure, {"B": values}, tmp_path / "out", none=-42.0)
    first, second = read_structure(path).chains
    assert (first.bfactors == -42).all()
    np.testing.assert_allclose(second.bfactors, np.nan_to_num(values, nan=-42), atol=6e-3)


@pytest.mark.parametrize(
    ("column", "value"),
    [("number", 10_000), ("number", -1000), ("xyz", 9999.5), ("xyz", -1000.0),
     ("residue_name", b"A1BCD"), ("atom_name", b"CA123")],
)  # fmt: skip
def test_each_column_that_pdb_cannot_hold_makes_an_mmcif(
    structure: Structure, tmp_path: Path, column: str, value: float | bytes
) -> None:
    words = getattr(structure.table, column)
    longer = words.astype("S6") if isinstance(value, bytes) else words.copy()
    longer[-1] = value
    odd = replace(structure, table=replace(structure.table, **{column: longer}))
    values = {chain.id: np.linspace(0, 1, len(chain)) for chain in structure.chains}
    assert write_bfactors(odd, values, tmp_path / "odd").suffix == ".cif"
    assert write_bfactors(structure, values, tmp_path / "plain").suffix == ".pdb"


def test_places_in_the_full_sequence_are_written(shared_structures: Path, tmp_path: Path) -> None:
    """Of chains with unresolved residues: the first of 5zng's A is the third of its sequence."""
    structure = read_structure(shared_structures / "5zng.cif")
    values = {chain.id: np.full(len(chain), 0.25) for chain in structure.chains}
    again = read_structure(write_bfactors(structure, values, tmp_path / "out"))
    for chain in structure.chains:
        assert chain.positions is not None
        rows, whole = again.rows(chain), structure.rows(chain)
        np.testing.assert_array_equal(again.table.position[rows], structure.table.position[whole])
    assert {model.decode() for model in np.unique(again.table.element)} <= {"C", "N", "O", "S"}
