from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.jobs.demo import demo_files
from sesstore.structures.bfactors import NONE, write_bfactors
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
