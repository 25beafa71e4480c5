"""3Di against the states Foldseek gives (as the tests of mini3di and biotite list them); its rules.

``foldseek_3di.tsv`` has 3,476 residues of 57 chains and models. Of what biotite lists of our
entries it leaves out 2axd's model 7, and 1l2y's model 23, where one residue is P and Foldseek's D.
"""

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


def foldseeks() -> list[tuple[str, str, int, str]]:
    """Entry, chain, model and states."""
    text = Path(__file__).with_name("foldseek_3di.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return [(entry, chain, int(model), states) for entry, chain, model, states in rows]


def test_every_published_case_is_foldseeks_to_the_letter(shared_structures: Path) -> None:
    tokens = {
        (entry, chain.id): tokens_3di(chain)
        for entry in {row[0] for row in foldseeks()}
        for chain in read_structure(shared_structures / f"{entry}.cif").chains
    }
    for entry, chain, model, states in foldseeks():
        assert FOLDSEEK.decode(tokens[entry, chain][model - 1]) == states, (entry, chain, model)


def test_of_alternate_locations_foldseeks_rule_holds(shared_structures: Path) -> None:
    (chain,) = read_structure(shared_structures / "3o5r.cif").chains
    assert chain.last is not None
    same = np.isclose(chain.last, chain.backbone, equal_nan=True)
    moved = np.flatnonzero(~same.all((0, 2, 3)))
    assert chain.numbers[moved].tolist() == [20, 121]  # their first location has 0.75
    occupied = FOLDSEEK.decode(tokens_3di(replace(chain, last=None))[0])
    assert occupied != FOLDSEEK.decode(tokens_3di(chain)[0])


def test_biotites_port_agrees(shared_structures: Path) -> None:
    from biotite.structure.alphabet import to_3di

    for entry in ("1aki.pdb", "1xso.pdb", "1igy.cif", "3o5r.cif", "5zng.cif"):
        structure = read_structure(shared_structures / entry)
        theirs, _ = to_3di(structure.atoms)
        for chain, sequence in zip(structure.chains, theirs, strict=True):
            occupied = replace(chain, last=None)  # the atoms it was given
            assert FOLDSEEK.decode(tokens_3di(occupied)[0]) == str(sequence).upper()


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
    codes = tokens_3di(replace(chain, backbone=backbone, last=None))[0]
    assert codes[40] == FOLDSEEK.mask
    assert (np.delete(codes, 40) < FOLDSEEK.mask).all()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_peptides_have_states(dismutase: Structure, length: int) -> None:
    chain = dismutase.chains[0]
    short = replace(
        chain, residues=chain.residues[:length], backbone=chain.backbone[:, :length], last=None
    )
    assert tokens_3di(short).shape == (1, length)
    assert (tokens_3di(short) < FOLDSEEK.mask).all()
