"""Models of a file on the residues of the first."""

from __future__ import annotations

import numpy as np

from .conftest import read, residue


def test_models_that_lack_atoms_have_them_masked() -> None:
    whole = residue("ALA", 1) + residue("GLY", 2) + residue("SER", 3)
    less = residue("ALA", 1) + residue("SER", 3)
    text = f"MODEL        1\n{whole}ENDMDL\nMODEL        2\n{less}ENDMDL\n"
    (chain,) = read(text).chains
    assert chain.backbone.shape[0] == 2
    np.testing.assert_array_equal(
        np.isfinite(chain.backbone[:, :, 1, 0]), [[True] * 3, [True, False, True]]
    )


def test_models_of_as_many_other_residues_have_them_masked() -> None:
    first = residue("ALA", 1) + residue("GLY", 2) + residue("SER", 3)
    second = residue("ALA", 1) + residue("SER", 3) + residue("VAL", 4)
    text = f"MODEL        1\n{first}ENDMDL\nMODEL        2\n{second}ENDMDL\n"
    (chain,) = read(text).chains
    assert chain.residues == "AGS"
    x = chain.backbone[:, :, 1, 0]
    np.testing.assert_array_equal(np.isfinite(x), [[True] * 3, [True, False, True]])
    assert x[1, 2] == x[0, 2]


def test_residues_of_further_models_are_told_by_insertion_chain_and_order() -> None:
    """The second model lacks one residue; every other one stands in its own place, moved by 1."""

    def inserted(shift: float) -> dict[str, str]:
        return {
            "plain": residue("ALA", 52, shift=shift),
            "inserted": residue("ALA", 52, insertion="A", shift=3.8 + shift),
            "twin": residue("SER", 53, shift=3.8 + shift),
            "second twin": residue("GLY", 53, shift=7.6 + shift),
            "of B": residue("ALA", 52, chain="B", shift=40 + shift),
            "next of B": residue("ALA", 53, chain="B", shift=40 + shift),
        }

    first, moved = inserted(0), inserted(1)
    for absent in ("plain", "inserted", "second twin", "of B", "next of B"):
        second = "".join(text for name, text in moved.items() if name != absent)
        text = f"MODEL        1\n{''.join(first.values())}ENDMDL\nMODEL        2\n{second}ENDMDL\n"
        x = np.concatenate([c.backbone[:, :, 1, 0] for c in read(text).chains], axis=1)
        expected = np.where(np.array(list(first)) == absent, np.nan, x[0] + 1)
        np.testing.assert_allclose(x[1], expected, atol=2e-3)


def test_models_may_have_any_numbers(draft) -> None:
    first = draft.atoms
    draft.change(first, model=3)
    second = [atom for atom in draft.shifted(1, model=7) if atom.number != 2]
    draft.parts += second
    (chain,) = draft.read("cif").chains
    assert chain.backbone.shape[:2] == (2, 60)
    moved = chain.backbone[1, :, 1, 0] - chain.backbone[0, :, 1, 0]
    np.testing.assert_allclose(moved, [1, np.nan, *[1] * 58], atol=2e-3)
