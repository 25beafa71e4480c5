"""Which atoms are of amino acids, and which location counts."""

from __future__ import annotations

import numpy as np

from .conftest import atom, read, residue


def test_the_most_occupied_location_counts_and_the_last_of_equals() -> None:
    text = (
        residue("ALA", 1)
        + residue("SER", 2, altloc="A", occupancy=0.7)
        + residue("SER", 2, altloc="B", occupancy=0.3, shift=0.5)
        + residue("GLY", 3, altloc="1", occupancy=0.5)
        + residue("GLY", 3, altloc="2", occupancy=0.5, shift=0.5)
    )
    (chain,) = read(text).chains
    assert chain.residues == "ASG"
    np.testing.assert_allclose(chain.backbone[0, :, 0, 0], [3.8, 7.6, 11.9], atol=1e-4)


def test_a_residue_modelled_as_two_amino_acids_is_one_residue() -> None:
    text = (
        residue("ALA", 1)
        + residue("SER", 2, altloc="A", occupancy=0.4)
        + residue("THR", 2, altloc="B", occupancy=0.6)
    )
    assert read(text).chains[0].residues == "AT"


def test_ligands_behind_the_end_of_a_chain_are_no_residues() -> None:
    text = (
        residue("ALA", 1)
        + residue("GLY", 2)
        + "TER\n"
        + residue("GLY", 9, record="HETATM")
        + atom("CA", "CA", 10, (1, 1, 1), record="HETATM")
    )
    assert read(text).chains[0].residues == "AG"


def test_an_unknown_name_with_a_backbone_is_a_residue() -> None:
    odd = residue("Q1Q", 2)
    assert read(residue("ALA", 1) + odd + residue("GLY", 3)).chains[0].residues == "AXG"
    for name in ("N", "C"):
        lines = [line for line in odd.splitlines(True) if line[12:16].strip() != name]
        text = residue("ALA", 1) + "".join(lines) + residue("GLY", 3)
        assert read(text).chains[0].residues == "AG"


def test_residues_that_lack_a_c_alpha_are_counted_in_the_first_model_and_no_ligands() -> None:
    whole = residue("ALA", 1) + residue("GLY", 2) + residue("SER", 3)
    lame = "".join(line for line in whole.splitlines(True) if "CA  GLY" not in line)
    ligand = "".join(
        line
        for line in residue("VAL", 9, record="HETATM", shift=90).splitlines(True)
        if "CA " not in line
    )
    model = f"{lame}TER\n{ligand}ENDMDL\n"
    structure = read(f"MODEL        1\n{model}MODEL        2\n{model}")
    (remark,) = structure.remarks
    assert remark.detail == "chain A: 2 of 3 have one"
