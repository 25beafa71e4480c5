"""PDB files as writers make them: numbers of all kinds, END and MODEL."""

from __future__ import annotations

import string
from dataclasses import replace

import numpy as np
import pytest

from sesstore.errors import StructureError

WATER = {
    "stars": ["9998", "9999", "****", "****"],
    "hexadecimal": ["9999", "2710", "271a", "2a3f"],
    "capitals": ["9999", "2710", "271A", "2A3F"],
    "five digits": ["9999", "10000", "10001", "99999"],
    "hybrid-36": ["9999", "A000", "a000", "zzzz"],
    "blank": ["    ", "    ", "    ", "    "],
    "words": ["????", "nan ", "1e9 ", " -- "],
    "wrapped": ["9999", "   0", "   1", "   2"],
}


@pytest.mark.parametrize("kind", WATER)
@pytest.mark.parametrize("chain", ["A", "W", ""])
def test_numbers_of_waters_do_not_matter(draft, kind: str, chain: str) -> None:
    (plain,) = draft.read().chains
    water = replace(draft.atoms[0], name="O", residue="HOH", record="HETATM", chain=chain)
    draft.parts += ["TER"] + [
        replace(water, xyz=(60.0 + i, 60, 60), written_number=number)
        for i, number in enumerate(WATER[kind])
    ]
    (chain_read,) = draft.read().chains
    assert chain_read.residues == plain.residues
    np.testing.assert_array_equal(chain_read.numbers, plain.numbers)


@pytest.mark.parametrize("kind", ["hexadecimal", "five digits", "hybrid-36"])
def test_numbers_of_residues_beyond_four_digits_are_decoded(draft, kind: str) -> None:
    write = {
        "hexadecimal": lambda n: f"{n:x}",
        "five digits": str,
        "hybrid-36": lambda n: f"A00{(string.digits + string.ascii_uppercase)[n - 10000]}",
    }[kind]
    for atom in draft.atoms:
        atom.number += 9960
        if atom.number > 9999:
            atom.written_number = write(atom.number)
    (chain,) = draft.read().chains
    np.testing.assert_array_equal(chain.numbers, np.arange(9961, 10021))
    assert (chain.insertions == "").all()


def test_a_residue_whose_number_cannot_be_read_is_one_error(draft) -> None:
    draft.change(draft.of(7), written_number="****")
    with pytest.raises(StructureError, match=r"draft\.pdb' has no residue number in line 39 at"):
        draft.read()


@pytest.mark.parametrize("between", [["END"], ["ENDMDL"], ["TER", "END"], ["END   ", "REMARK 1"]])
def test_copies_separated_by_end_are_models(draft, between: list[str]) -> None:
    first = draft.read().chains[0].backbone[0]
    draft.parts = [*draft.parts, *between, *draft.shifted(0.1), *between, *draft.shifted(0.3)]
    (chain,) = draft.read().chains
    assert (chain.residues, chain.backbone.shape[0]) == ("".join(chain.residues[:60]), 3)
    np.testing.assert_array_equal(chain.backbone[0], first)
    moved = chain.backbone[2, :, :3, 0] - first[:, :3, 0]
    np.testing.assert_allclose(moved, 0.3, atol=1e-3)


def test_other_residues_behind_end_are_chains_of_the_same_model(draft) -> None:
    other = draft.shifted(60, chain="B")
    draft.parts = [*draft.parts, "END", *other]
    assert {c.id: c.backbone.shape[:2] for c in draft.read().chains} == {"A": (1, 60), "B": (1, 60)}
    names = ["LEU" if atom.residue != "LEU" else "ILE" for atom in other]
    for atom, name in zip(other, names, strict=True):
        atom.chain, atom.residue = "A", name
    assert {c.id: len(c) for c in draft.read().chains} == {"A": 60, "A-2": 60}


def test_models_numbered_alike_are_models(draft) -> None:
    model = "MODEL        1"
    draft.parts = [model, *draft.parts, "ENDMDL", model, *draft.shifted(0.1), "END"]
    (chain,) = draft.read().chains
    assert chain.backbone.shape[:2] == (2, 60)


def test_a_sequence_stated_again_is_stated_once(draft) -> None:
    """Entries written one behind the other each bring their SEQRES."""
    names = [atom.residue for atom in draft.atoms if atom.name == "CA"]

    def seqres(names: list[str]) -> list[str]:
        rows = range(0, len(names), 13)
        return [
            f"SEQRES {place + 1:3d} A {len(names):4d}  {' '.join(names[row : row + 13])}"
            for place, row in enumerate(rows)
        ]

    plain = draft.read().chains[0].residues
    copies = ["END", *seqres(names), *draft.shifted(0.1)]
    draft.parts = [*seqres(names), *draft.parts, *copies]
    assert draft.read().chains[0].sequence == plain
    draft.parts += seqres(names[:20])
    assert draft.read().chains[0].sequence is None
