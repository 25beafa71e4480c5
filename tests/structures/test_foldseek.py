"""3Di against the states Foldseek gives (those the tests of mini3di ship), and its rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import FOLDSEEK
from sesstore.structures.chains import Structure, read_structure
from sesstore.structures.foldseek import tokens_3di

_1XSO_A = (
    "DKKKWWKDFPDPKTKIKIWDDDDLFKIKIWMKIFQADFDKKWKWWACAQDCPVHVVVSHFGAAPPDFWDFAQPDPRHGLTGDFIFGDDPRM"
    "TTDMDIHNSAGCDDPNRQQRIKMFIANAGQCGLPPPDPVSRGTSPRDDTRIMTGMHDDD"
)


@pytest.fixture(scope="module")
def dismutase(shared_structures: Path) -> Structure:
    return read_structure(shared_structures / "1xso.pdb")


def test_states_are_foldseeks(dismutase: Structure) -> None:
    assert FOLDSEEK.decode(tokens_3di(dismutase.chains[0])[0]) == _1XSO_A


def test_biotites_port_agrees(shared_structures: Path) -> None:
    from biotite.structure.alphabet import to_3di

    for entry in ("1aki.pdb", "1xso.pdb", "1igy.cif", "3o5r.cif", "5zng.cif"):
        structure = read_structure(shared_structures / entry)
        theirs, _ = to_3di(structure.atoms)
        for chain, sequence in zip(structure.chains, theirs, strict=True):
            assert FOLDSEEK.decode(tokens_3di(chain)[0]) == str(sequence).upper()


def test_every_model_has_its_states(shared_structures: Path) -> None:
    (chain,) = read_structure(shared_structures / "1l2y.cif").chains
    codes = tokens_3di(chain)
    assert codes.shape == (38, 20)
    single = tokens_3di(replace(chain, backbone=chain.backbone[7:8]))
    np.testing.assert_array_equal(single[0], codes[7])


def test_a_residue_without_its_backbone_is_masked(dismutase: Structure) -> None:
    chain = dismutase.chains[0]
    backbone = chain.backbone.copy()
    backbone[0, 40, 0] = np.nan
    codes = tokens_3di(replace(chain, backbone=backbone))[0]
    assert codes[40] == FOLDSEEK.mask
    assert (np.delete(codes, 40) < FOLDSEEK.mask).all()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_peptides_have_states(dismutase: Structure, length: int) -> None:
    chain = dismutase.chains[0]
    short = replace(chain, residues=chain.residues[:length], backbone=chain.backbone[:, :length])
    assert tokens_3di(short).shape == (1, length)
    assert (tokens_3di(short) < FOLDSEEK.mask).all()
