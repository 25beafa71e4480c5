"""Residue names to letters."""

from __future__ import annotations

from biotite.structure import info

from sesstore.structures.letters import STANDARD, is_amino_acid, one_letter

from .conftest import read, residue


def test_modified_residues_become_their_parents_and_force_field_names_histidine() -> None:
    names = ["MSE", "SEP", "TPO", "PTR", "HSD", "HIE", "CYX", "UNK", "SEC", "CRO"]
    text = "".join(residue(name, i, record="HETATM") for i, name in enumerate(names, 1))
    assert read(text).chains[0].residues == "MSTYHHCXUX"


def test_letters_are_those_of_the_component_dictionary_in_any_spelling() -> None:
    modified = "SEC PYL ASX GLX MSE SEP TPO PTR HYP CSO CME KCX MLY M3L ALY LLP OCS"
    names = [*STANDARD.astype(str).tolist(), *modified.split()]
    assert len(names) == 37
    for name in names:
        assert one_letter(name) == one_letter(f" {name.lower()} ") == info.one_letter_code(name)
    assert (one_letter("PCA"), one_letter("UNK"), one_letter("HOH")) == ("E", "X", "X")


def test_names_of_force_fields_are_amino_acids() -> None:
    """Amber's and CHARMM's protonation states."""
    states = {
        "H": "HID HIE HIP HSD HSE HSP", "C": "CYX CYM", "D": "ASH", "E": "GLH", "K": "LYN",
        "R": "ARN", "Y": "TYM",
    }  # fmt: skip
    for letter, names in states.items():
        for name in names.split():
            assert (one_letter(name), is_amino_acid(f" {name.lower()}")) == (letter, True)
    assert [is_amino_acid(name) for name in ("CRO", "HOH", "ZN", "DA")] == [True] + [False] * 3
