"""DSSP states, against those mkdssp 4.2.2 wrote for the same files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import DSSP
from sesstore.structures.chains import Chain, read_structure
from sesstore.structures.dssp import tokens_dssp

MKDSSP = {
    "1aki.pdb": {
        "A": (
            "LBLLHHHHHHHHHHTTLTTBTTBLHHHHHHHHHHHHTTBTTLEEELTTSLEEETTTTEETTTTLBLSLLTTLLLTTLSBG"
            "GGGGSSSTHHHHHHHHHHHTTTTGGGGLHHIIIIITTSLGGGGGTTLLL"
        ),
    },
    "1dix.cif": {
        "A": (
            "LLTTLLLSEEEEEEELHHHHSSSSSLLLLLTTLSLLSSLEEEEEEEELTTSLLLLSLLTTSLLLGGGGGGGHHHHHHHSL"
            "LLLSSLLLSHHHHHHHHHHTGGGGTTTSLSHHHHHHHHHHHHTTLLHHHHHHHTTLLSSSLEEEHHHHHHHHHHHHSSLL"
            "EEEEEELTTSLEEEEEEEEEEETTSSSEELLSSLLLLLLLSEEELLLL"
        ),
    },
    "1igy.cif": {
        "A": (
            "LLEEESSSEEEELTTLEEELLEEESSLLTTLBLEEEELTTSLLEEEELSSSLBLTTLLTTEEEEELSSEEEEEEESLLGG"
            "GLEEEELBBLSSSSLBBLLLEEEEELLLLBLLEEEEELLLHHHHTTSLEEEEEEEESBBLSLLEEEEESSSSLLLSLEEL"
            "LLLLLLSSSLLBLLLLEEEELHHHHHTLLBLEEEEELSSSSSLBLLLLBLSLL"
        ),
        "B": (
            "LLEELLLLLEELTBLLEEELLEELSSLGGGLLLEEEEELTTLLEEEEEELLSSSLLLLLLGGGTTTEELLBLGGGLBBLE"
            "EELSBLGGGLSEELLLLSSSSLLLLLLEELEELLSLLBLLLEEEELLLLLLLLTTEEEEEEEEEEEBSSLLEEEETTTTB"
            "LSSEEELLLEELSSLEEEEEEEEEETTTTTSSLLEEEEELTTTTLLEEEELLLLLLLLLLLLLLLSSSLLEEEELLLHHH"
            "HHSTTSLLEEEEEELLLLSSLLLLLBLBBSSSLLBLLLSLLLLLLLLSSSLLLLLLEELLHHHHHHTLLLBLLBLLSSLS"
            "SLLLLLLLLLLSLLBLLLLEEELLLSSSSSSSEEEEEEEEEEEBLSLEEEEEEETTSLLSLLEELLLLLLSSSLEEEEEE"
            "EEEEHHHHHTTLLEEEEEEETTSGGGLEEEEELL"
        ),
        "C": (
            "LLEEESSSEEEELTTLEEELLEEESSLLTTLBLLEEELTTSLLEELBLSSSLBLTTLLTTEEEEELSSEEEEEEESLLGG"
            "GLEEEELBBLSSSSLBBLLLEEEEELLLLBLLEEEEELLLHHHHTTSLEEEEEEEESBBLSLLEEEEESSSSLLLSLEEL"
            "LLLLLLSSSLLBLLLLEEEELHHHHHTLLLLEEEEELSSSSSLBLLLLLSLLL"
        ),
        "D": (
            "LLEELLLLLEELTBLLEEELLEELSSLSTTLLLEEEEELTTLLEEEEEELLSSSLLLLLLGGGTTTEELLBLGGGLBBLE"
            "EELSBLGGGLEEELLLLSSSSLLLLLLEEEEELLLLLBLLEEEEELLLLLLLLTTEEEEEEEEEEEBSSLLEEEETTTTB"
            "LSSEEELLLEELSSLEEEEEEEEEETTTTTSSLLEEEEELTTTTLLEEEELLLLLLSLLLLLLLLLSLLLEEEELLLHHH"
            "HHSTTSLLEEEEEELLLLSSLLLLLBLBBSSSLLBLLLSLLLLLLLLSSSLLLLLLEELLHHHHHHTLLLBLLBLLSSLS"
            "SLLLLLLLLLLSLLBLLLLEEELLLSSSSSSSEEEEEEEEEEEBLSLEEEEEEETTSLLSLLEELLLLLLTTSLEEEEEE"
            "EEEEHHHHHTTLLEEEEEEETTSGGGLEEEEELL"
        ),
    },
    "1k6p.pdb": {
        "A": (
            "LEEESSSLLEEEEEETTEEEEEEELTTLSSLEEESLLLSSLLEEEEEEETTEEEEEEEEEEEEEEETTEEEEEEEEEESL"
            "SSLEELHHHHTTTTLEEEL"
        ),
        "B": (
            "LEELSSSLLEEEEEETTEEEEEEELTTLSSLEELSLLLSSLEEEEEEEETTEEEEEEEEEEEEEEETTEEEEEEEEESSL"
            "SSLEELHHHHTTTTLEEEL"
        ),
    },
    "1l2y.cif": {
        "A": "LHHHHHHHTTGGGGTLLLLL",
    },
    "1xso.pdb": {
        "A": (
            "LEEEEEEBLSSSLEEEEEEEESTTSLEEEEEEEESLLSEEEEEEEESLLLLTTGGGGGLSBLLTTLLLLLLTTLSSSLTT"
            "EEEEEEEBTTEEEEEEEESSLBSSSTTBLTTSEEEEESSLLLTTLSSSTTHHHHTTLLLEEEEEELEELL"
        ),
        "B": (
            "LEEEEEEBLSSSLEEEEEEELLTTSLEEEEEEEESLLSEEEEEEEESLLLLTTGGGGSLSBLLTTLLLLLLTTLSSSLTT"
            "EEEEEEEBTTEEEEEEEESSLBSSSTTBLTTSEEEEESSLLLTTLSSSTTHHHHTTLLLEEEEEELEELL"
        ),
    },
    "2axd.cif": {
        "S": "LLLLHHHHTHHHHHHHHHHHHHHHHHGGGGTTSLLLHHHHHHHSLGGGHHHHHHHHHHHHHHHHHLLSLLSLLLLL",
    },
    "3o5r.cif": {
        "A": (
            "LHHHHHHHHLEELLTTLSSSEEEEEEELLSSSLLLLTTLEEEEEEEEEETTSLEEEESGGGTSLEEEETTSSSSLHHHHH"
            "HHHTLLTTLEEEEEELGGGTTTTTLBTTTBLTTLLEEEEEEEEEEELL"
        ),
    },
    "5zng.cif": {
        "A": "LTTTTLEEEEEEEELLLSHHHHHHHHHHHHTSTTEEEEEEETTTTLEEEEEEESLLHHHHHHHHHHHHSLEEEEEEEEL",
        "C": "LLSSEEEEEEETTEEEEEEEELTTEEEEETTEEEEELTTSLEESSBLTTSLEEEEEELTTLL",
    },
}
"""Chains of each entry as mkdssp 4.2.2 has them; P and blank as L."""


@pytest.mark.parametrize("entry", MKDSSP)
def test_states_are_those_of_mkdssp(shared_structures: Path, entry: str) -> None:
    structure = read_structure(shared_structures / entry)
    ours = {
        chain.id: DSSP.decode(codes[0])
        for chain, codes in zip(structure.chains, tokens_dssp(structure.chains), strict=True)
    }
    assert ours == MKDSSP[entry]


def test_a_residue_without_its_backbone_is_masked_in_its_model_only(
    shared_structures: Path,
) -> None:
    (chain,) = read_structure(shared_structures / "1l2y.cif").chains
    (whole,) = tokens_dssp([chain])
    assert whole.shape == (38, 20)
    backbone = chain.backbone.copy()
    backbone[3, 5, 4] = np.nan
    (codes,) = tokens_dssp([replace(chain, backbone=backbone)])
    assert codes[3, 5] == DSSP.mask
    np.testing.assert_array_equal(np.delete(codes, 3, 0), np.delete(whole, 3, 0))


def test_a_chain_without_any_complete_residue_is_all_masked(shared_structures: Path) -> None:
    (chain,) = read_structure(shared_structures / "1aki.pdb").chains
    backbone = chain.backbone.copy()
    backbone[:, :, 0] = np.nan
    (codes,) = tokens_dssp([replace(chain, backbone=backbone)])
    assert (codes == DSSP.mask).all()


def _cut(chain: Chain, row: int, distance: float) -> Chain:
    """The chain with all behind a residue moved away: its peptide bond is broken."""
    backbone = chain.backbone.copy()
    bond = backbone[:, row, 0] - backbone[:, row - 1, 2]
    bond /= np.linalg.norm(bond, axis=-1, keepdims=True)
    backbone[:, row:] += (distance * bond)[:, None, None]
    return replace(chain, backbone=backbone)


def test_a_broken_peptide_bond_ends_a_stretch(shared_structures: Path) -> None:
    """A helix cut in two is two helices, as if they were two chains: no turn leads over the gap."""
    (chain,) = read_structure(shared_structures / "1aki.pdb").chains
    (whole,) = tokens_dssp([chain])
    row = 30
    assert DSSP.decode(whole[0])[26:35] == "HHHHHHHHH"
    cut = _cut(chain, row, 1.5)
    (codes,) = tokens_dssp([cut])
    parts = [
        replace(cut, residues=cut.residues[rows], backbone=cut.backbone[:, rows])
        for rows in (slice(0, row), slice(row, None))
    ]
    apart = np.concatenate(tokens_dssp(parts), axis=1)
    np.testing.assert_array_equal(codes, apart)
    assert (codes != whole).any()


def test_a_peptide_bond_holds_up_to_two_and_a_half_angstrom(shared_structures: Path) -> None:
    """It is 1.33 long; DSSP allows 2.5."""
    (chain,) = read_structure(shared_structures / "1aki.pdb").chains
    states = {d: DSSP.decode(tokens_dssp([_cut(chain, 30, d)])[0][0])[26:35] for d in (1.1, 1.25)}
    assert states[1.1] == "HHHHHHHHH"
    assert states[1.25] != states[1.1]


def test_each_model_of_each_chain_has_its_own_states(shared_structures: Path) -> None:
    """Models that lack other residues are assigned apart, and put back where they belong."""
    chains = read_structure(shared_structures / "1k6p.pdb").chains
    lame = chains[1].backbone.copy()
    lame[0, 49, 4] = np.nan
    broken = [chains[0], replace(chains[1], backbone=lame)]
    both = [
        replace(chain, backbone=np.concatenate([other.backbone, chain.backbone, other.backbone]))
        for chain, other in zip(chains, broken, strict=True)
    ]
    whole, apart, together = (tokens_dssp(each) for each in (chains, broken, both))
    assert apart[1][0, 49] == DSSP.mask
    assert (whole[1] != DSSP.mask).all()
    for chain in range(2):
        expected = np.concatenate([apart[chain], whole[chain], apart[chain]])
        np.testing.assert_array_equal(together[chain], expected)
