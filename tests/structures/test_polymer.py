"""What makes up a chain: one kind of fault a test, the same in PDB, mmCIF and BinaryCIF."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sesstore.errors import StructureError
from sesstore.structures.polymer import LIGANDS, NO_ALPHA, SPLIT

FORMATS = ["pdb", "cif", "bcif"]
formats = pytest.mark.parametrize("suffix", FORMATS)
TEXT = ["pdb", "cif"]


@pytest.fixture
def plain(draft):
    """The draft's chain as it is without a fault."""
    (chain,) = draft.read().chains
    return chain


def sizes(structure) -> dict[str, int]:
    return {chain.id: len(chain) for chain in structure.chains}


def kinds(structure) -> list[str]:
    return [remark.kind for remark in structure.remarks]


def without_labels(draft, *, chain: str = "") -> None:
    """As writers that know no label_asym_id, label_seq_id or sequence."""
    draft.change(draft.atoms, chain=chain, label=chain, position=None, entity="")
    draft.sequence = []


def apart(draft, number: int, distance: float = 50.0) -> None:
    """Move the residues from a number on away, so that no bond leads there."""
    for atom in draft.atoms:
        if atom.number >= number:
            atom.xyz = (atom.xyz[0] + distance, *atom.xyz[1:])


@formats
@pytest.mark.parametrize("labels", [True, False])
def test_two_residues_with_one_number_are_two(draft, plain, suffix: str, labels: bool) -> None:
    """Alanines side by side, so that neither name nor number tells them apart."""
    draft.change(draft.of(31, 32), residue="ALA")
    if not labels:
        without_labels(draft, chain="A")
    for atom in draft.atoms:
        atom.number -= atom.number > 31
    (chain,) = draft.read(suffix).chains
    assert len(chain) == 60
    assert chain.residues == plain.residues[:30] + "AA" + plain.residues[32:]
    np.testing.assert_array_equal(chain.backbone, plain.backbone)


def test_an_atom_listed_twice_is_no_residue(draft, plain) -> None:
    again = replace(draft.of(9)[1], xyz=tuple(x + 0.2 for x in draft.of(9)[1].xyz))
    draft.parts.insert(draft.parts.index(draft.of(9)[-1]), again)
    assert draft.read().chains[0].residues == plain.residues


@formats
@pytest.mark.parametrize("restart", [True, False])
@pytest.mark.parametrize("ter", [True, False])
def test_chains_without_ids_are_told_apart(draft, suffix: str, restart: bool, ter: bool) -> None:
    without_labels(draft)
    apart(draft, 21)
    if ter:
        draft.line("TER", 21)
    if restart:
        draft.change(draft.of(*range(1, 21)), number=0)  # numbers are given anew below
        numbers = iter([*range(1, 21), *range(1, 41)])
        _renumber(draft, numbers)
    structure = draft.read(suffix)
    if restart or (ter and suffix == "pdb"):
        assert sizes(structure) == {"A": 20, "B": 40}
        assert kinds(structure) == [SPLIT]
    else:
        assert sizes(structure) == {"": 60}


def _renumber(draft, numbers) -> None:
    """Number residues anew, in the order of their places."""
    before, number = None, 0
    for atom in draft.atoms:
        if atom.name == "N" or before is None:
            number = next(numbers)
        before, atom.number = atom, number


@pytest.mark.parametrize("chain", ["", "X"])
def test_segments_tell_chains_apart(draft, chain: str) -> None:
    without_labels(draft, chain=chain)
    apart(draft, 21)
    for atom in draft.atoms:
        atom.segment = "PROA" if atom.number <= 20 else "PROB"
    expected = {"X": 20, "X-2": 40} if chain else {"A": 20, "B": 40}
    assert sizes(draft.read()) == expected


@formats
def test_one_id_for_two_chains_whose_numbers_begin_anew(draft, suffix: str) -> None:
    without_labels(draft, chain="A")
    apart(draft, 21)
    _renumber(draft, iter([*range(1, 21), *range(1, 41)]))
    structure = draft.read(suffix)
    assert sizes(structure) == {"A": 20, "A-2": 40}
    assert set(structure.atoms.chain_id) == {"A", "A-2"}


@formats
@pytest.mark.parametrize(
    "numbers", [[*range(1, 21), *range(5, 45)], [*range(900, 920), *range(40)]]
)
def test_a_bond_joins_what_numbers_do_not(draft, plain, suffix: str, numbers: list[int]) -> None:
    """Fusion proteins are numbered by their parts."""
    without_labels(draft, chain="A")
    _renumber(draft, iter(numbers))
    (chain,) = draft.read(suffix).chains
    assert chain.residues == plain.residues


def test_a_gap_in_a_fusion_with_other_numbers_ends_no_chain(draft) -> None:
    without_labels(draft, chain="A")
    _renumber(draft, iter([*range(900, 920), *range(1, 41)]))
    draft.parts = [a for a in draft.parts if a.number not in (1, 2, 3)]
    assert sizes(draft.read()) == {"A": 57}


@formats
def test_a_bond_goes_before_a_ter(draft, plain, suffix: str) -> None:
    without_labels(draft)
    draft.line("TER", 21)
    (chain,) = draft.read(suffix).chains
    assert (chain.id, chain.residues) == ("", plain.residues)


def modify(draft, *numbers: int) -> None:
    draft.change(draft.of(*numbers), residue="MSE", record="HETATM")


@formats
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("where", ["TER before", "at the end", "behind TER", "in place"])
def test_modified_residues_stand_in_their_places(
    draft, plain, suffix: str, where: str, labels: bool
) -> None:
    modify(draft, 10, 30)
    if not labels:
        without_labels(draft, chain="A")
    if where == "TER before":
        draft.line("TER", 10)
    elif where != "in place":
        late = draft.of(30, 10)
        draft.parts = [part for part in draft.parts if part not in late]
        draft.parts += (["TER"] if where == "behind TER" else []) + late
    (chain,) = draft.read(suffix).chains
    assert (
        chain.residues
        == plain.residues[:9] + "M" + plain.residues[10:29] + "M" + (plain.residues[30:])
    )
    np.testing.assert_array_equal(chain.backbone, plain.backbone)


def test_modified_residues_at_the_ends_are_of_the_chain(draft) -> None:
    modify(draft, 1, 60)
    draft.parts.append("TER")
    (chain,) = draft.read().chains
    assert (chain.residues[0], chain.residues[-1], len(chain)) == ("M", "M", 60)


@formats
def test_a_peptide_of_nothing_but_hetatm_is_whole(draft, plain, suffix: str) -> None:
    """Each of its residues is bound to one beside it, the first to the next alone."""
    draft.change(draft.atoms, record="HETATM")
    without_labels(draft, chain="A")
    (chain,) = draft.read(suffix).chains
    assert chain.residues == plain.residues


LIGAND: dict[str, Callable[..., list[object]]] = {
    "behind TER": lambda parts, ligand: [*parts, "TER", *ligand],
    "without TER": lambda parts, ligand: [*parts, *ligand],
    "first": lambda parts, ligand: [*ligand, *parts],
}


@formats
@pytest.mark.parametrize("place", LIGAND)
@pytest.mark.parametrize("residue", ["VAL", "MSE"])
def test_a_free_amino_acid_is_no_residue(
    draft, plain, suffix: str, place: str, residue: str
) -> None:
    fields = {"number": 201, "record": "HETATM", "position": None, "residue": residue}
    copies = draft.shifted(60, label="B", entity="2")
    ligand = [replace(a, **fields) for a in copies if a.number == 33]
    draft.parts = LIGAND[place](draft.parts, ligand)
    if suffix == "pdb":
        draft.sequence = []
    structure = draft.read(suffix)
    (chain,) = structure.chains
    assert chain.residues == plain.residues
    if suffix == "pdb":
        assert kinds(structure) == [LIGANDS]
        assert structure.remarks[0].detail == f"chain A: {residue} 201"


def test_a_free_amino_acid_of_its_own_chain_is_none(draft) -> None:
    copies = [a for a in draft.shifted(60, chain="C") if a.number == 33]
    draft.parts += ["TER", *copies]
    assert sizes(draft.read()) == {"A": 60}
    draft.change(copies, record="HETATM")
    assert sizes(draft.read()) == {"A": 60}


@pytest.mark.parametrize("suffix", ["cif", "bcif"])
def test_a_ligand_with_a_number_in_no_sequence_is_none(draft, suffix: str) -> None:
    """Boltz and others number ligands as residues of an entity of their own."""
    copies = draft.shifted(60, label="B", entity="2", position=1)
    draft.parts += [a for a in copies if a.number == 33]
    assert sizes(draft.read(suffix)) == {"A": 60}


@formats
def test_residues_without_a_c_alpha_are_counted(draft, suffix: str) -> None:
    draft.parts = [a for a in draft.parts if not (a.number in (5, 6) and a.name == "CA")]
    structure = draft.read(suffix)
    assert sizes(structure) == {"A": 58}
    (remark,) = structure.remarks
    assert (remark.kind, remark.detail) == (NO_ALPHA, "chain A: 58 of 60 have one")


def test_copies_in_one_mmcif_table_are_chains(draft) -> None:
    draft.parts += draft.shifted(60)
    assert sizes(draft.read("cif")) == {"A": 60, "A-2": 60}


@formats
def test_copies_on_top_of_each_other_are_an_error(draft, suffix: str) -> None:
    """Models whose numbers were lost: as two chains they would bond with each other."""
    draft.parts += ["TER", *draft.shifted(0.1)]
    with pytest.raises(StructureError, match=r"copies of chain 'A' on top of each other\. Number"):
        draft.read(suffix)


def test_a_stated_sequence_of_two_different_chains_is_of_neither(draft) -> None:
    without_labels(draft, chain="A")
    apart(draft, 21)
    _renumber(draft, iter([*range(1, 21), *range(1, 41)]))
    names = [atom.residue for atom in draft.atoms if atom.name == "CA"]
    draft.head = "".join(
        f"SEQRES {row + 1:3d} A   60  {' '.join(names[13 * row : 13 * row + 13])}\n"
        for row in range(5)
    )
    assert [chain.sequence for chain in draft.read().chains] == [None, None]


SEQUENCES = {
    "once": True,
    "twice": True,
    "twice, once another": False,
    "from a second line on": True,
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_a_sequence_that_is_stated_again_must_be_the_same(draft, plain, kind: str) -> None:
    without_labels(draft, chain="A")
    names = [atom.residue for atom in draft.atoms if atom.name == "CA"]

    def stated(names: list[str], first: int = 1) -> str:
        rows = [" ".join(names[start : start + 13]) for start in range(0, 60, 13)]
        return "".join(f"SEQRES {n:3d} A   60  {row}\n" for n, row in enumerate(rows, first))

    draft.head = {
        "once": stated(names),
        "twice": stated(names) * 2,
        "twice, once another": stated(names) + stated(names[::-1]),
        "from a second line on": stated(names, 2),
    }[kind]
    (chain,) = draft.read().chains
    assert chain.sequence == (plain.residues if SEQUENCES[kind] else None)
