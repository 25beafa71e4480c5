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
