"""PDB files as writers make them: numbers of all kinds, END and MODEL."""

from __future__ import annotations

import string
from dataclasses import replace

import numpy as np
import pytest

from sesstore.errors import InputError, StructureError
from sesstore.structures.pdb import read_pdb

from .conftest import residue

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


def test_each_column_of_a_line_is_read_as_what_it_is() -> None:
    lines = [
        f"{'HETATM':<6}{12345:5d}  CA AMSE B{-123:4d}C   {-11.111:8.3f}{22.222:8.3f}{-33.333:8.3f}"
        f"{0.7:6.2f}{44.44:6.2f}{'':6}{'SEGA':<4}{'SE':>2}",
        f"{'ATOM':<6}{1:5d} HG21 THR  {7:4d}    {1:8.3f}{2:8.3f}{3:8.3f}",
    ]
    atoms = read_pdb("\n".join([*lines, ""]).encode()).atoms
    table = {name: column.tolist() for name, column in vars(atoms).items()}
    assert table.pop("xyz") == [pytest.approx([-11.111, 22.222, -33.333]), [1, 2, 3]]
    assert table.pop("occupancy") == pytest.approx([0.7, 1])
    assert table.pop("bfactor") == pytest.approx([44.44, np.nan], nan_ok=True)
    assert table == {
        "model": [0, 0], "chain": [b"B", b""], "segment": [b"SEGA", b""], "part": [0, 0],
        "residue_name": [b"MSE", b"THR"], "atom_name": [b"CA", b"HG21"], "insertion": [b"C", b""],
        "altloc": [b"A", b""], "element": [b"SE", b""], "number": [-123, 7],
        "position": [-1, -1], "polymer": [True, True], "hetero": [True, False],
    }  # fmt: skip


def test_models_and_what_stands_behind_a_ter_in_each() -> None:
    one, two = residue("ALA", 1), residue("GLY", 2)
    model = f"{one}TER\n{two}TER\n{one}ENDMDL\n"
    parsed = read_pdb(f"MODEL        1\n{model}MODEL        2\n{model}{two}TER\nEND\n".encode())
    first = [0] * 4 + [1] * 4 + [2] * 4
    assert parsed.atoms.model.tolist() == [1] * 12 + [2] * 16
    assert parsed.atoms.part.tolist() == [*first, *first, *[3] * 4]
    assert parsed.parts == 2  # behind the last TER of the first model


def test_where_chains_begin_in_a_database_and_how_they_were_measured() -> None:
    head = [
        f"{'DBREF  1ABC A   10   60  UNP    P12345   ABC_HUMAN':<55}{101:5d}{160:7d}",
        f"{'DBREF  1ABC A   70   90  UNP    P12345   ABC_HUMAN':<55}{401:5d}{420:7d}",
        f"{'DBREF  1ABC B   10   60  UNP    P99999   ABC_MOUSE':<55}{1:5d}{60:7d}",
        f"{'DBREF1 1ABC C   10   60  UNP':<55}{5:5d}",
        f"{'EXPDTA    SOLUTION NMR; SOLUTION':<80}",
        f"{'EXPDTA   2SCATTERING':<79}1",
    ]
    parsed = read_pdb("\n".join([*head, residue("ALA", 1)]).encode())
    assert parsed.begins == {"A": 100, "B": 0}
    assert parsed.origin.experiment == "SOLUTION NMR; SOLUTION SCATTERING"
    assert parsed.origin.confidence is None


def test_a_file_that_ends_within_its_last_line_is_cut_short() -> None:
    whole = (residue("ALA", 1) + residue("GLY", 2)).encode()
    with pytest.raises(InputError, match="the file is cut short in line 8"):
        read_pdb(whole[:-10])
    for sound in (whole, whole.rstrip(), whole.replace(b"\n", b"\r\n"), whole[:-10] + b"\n"):
        assert len(read_pdb(sound).atoms) == 8


def test_the_half_of_a_copy_decides_whether_an_end_ends_a_model() -> None:
    first = "".join(residue("ALA", n) for n in range(1, 5))
    for shared, models in ((2, [0, 1]), (1, [0])):
        rest = "".join(residue("GLY", n, shift=200) for n in range(50, 54 - shared))
        copy = "".join(residue("ALA", n) for n in range(1, shared + 1)) + rest
        atoms = read_pdb(f"{first}END\n{copy}END\n".encode()).atoms
        assert np.unique(atoms.model).tolist() == models
