"""Residue names to letters."""

from __future__ import annotations

from .conftest import read, residue


def test_modified_residues_become_their_parents_and_force_field_names_histidine() -> None:
    names = ["MSE", "SEP", "TPO", "PTR", "HSD", "HIE", "CYX", "UNK", "SEC", "CRO"]
    text = "".join(residue(name, i, record="HETATM") for i, name in enumerate(names, 1))
    assert read(text).chains[0].residues == "MSTYHHCXUX"
