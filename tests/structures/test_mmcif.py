"""mmCIF: what a file states beside its atoms."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest

from sesstore.errors import InputError
from sesstore.structures.atoms import Parsed
from sesstore.structures.chains import read_structure
from sesstore.structures.mmcif import read_mmcif


@pytest.mark.parametrize(("residues", "letter"), [(("TYR", "PHE"), "Y"), (("PHE", "TYR"), "F")])
def test_of_two_residues_at_a_position_the_first_stated_is_the_sequences(
    shared_structures: Path, tmp_path: Path, residues: tuple[str, str], letter: str
) -> None:
    text = (shared_structures / "1l2y.cif").read_text()
    stated = "1 3  TYR n \n"
    assert text.count(stated) == 1
    both = "".join(f"1 3  {residue} y \n" for residue in residues)
    path = tmp_path / "both.cif"
    path.write_text(text.replace(stated, both))
    (plain,) = read_structure(shared_structures / "1l2y.cif").chains
    (chain,) = read_structure(path).chains
    assert plain.sequence is not None
    assert chain.sequence == f"{plain.sequence[:2]}{letter}{plain.sequence[3:]}"
    assert len(plain.sequence) == 20


SMALL = """data_x
loop_
_atom_site.group_PDB
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_entity_id
_atom_site.label_seq_id
_atom_site.pdbx_PDB_ins_code
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.occupancy
_atom_site.B_iso_or_equiv
_atom_site.auth_seq_id
_atom_site.auth_comp_id
_atom_site.auth_asym_id
_atom_site.auth_atom_id
_atom_site.pdbx_PDB_model_num
ATOM   C CA  . ALA L 1 1 ? 1 2 3 0.5 10 101 ALX H CAX 3
ATOM   C CB  B GLY L 1 2 C 4 5 6 ?   .  .   GLX H CBX 3
HETATM N N   . .   M 2 . ? 7 8 9 .   12 -7  LIG . NX  7
"""


def small(*absent: str, tables: str = "") -> Parsed:
    """Three atoms, without some columns, and with further tables."""
    lines = SMALL.splitlines()
    tags = [line for line in lines if line.startswith("_")]
    rows = [line.split() for line in lines[2 + len(tags) :]]
    names = [tag.partition(".")[2] for tag in tags]
    places = [place for place, name in enumerate(names) if name not in absent]
    text = ["data_x", "loop_", *(tags[place] for place in places)]
    text += [" ".join(row[place] for place in places) for row in rows]
    return read_mmcif("\n".join([*text, "#", tables, ""]).encode())


def test_each_column_of_the_atoms_is_read_as_what_it_is() -> None:
    atoms = small().atoms
    assert {name: column.tolist() for name, column in vars(atoms).items()} == {
        "model": [3, 3, 7],
        "chain": [b"H", b"H", b"M"],  # the author's, else the file's own
        "segment": [b"L", b"L", b"M"],
        "part": [0, 0, 0],
        "residue_name": [b"ALA", b"GLY", b"LIG"],
        "atom_name": [b"CA", b"CB", b"N"],
        "insertion": [b"", b"C", b""],
        "altloc": [b"", b"B", b""],
        "element": [b"C", b"C", b"N"],
        "number": [101, 2, -7],
        "position": [0, 1, -1],
        "polymer": [True, True, False],
        "hetero": [False, False, True],
        "xyz": [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
        "bfactor": [10, pytest.approx(nan, nan_ok=True), 12],
        "occupancy": [0.5, 1, 1],
    }


@pytest.mark.parametrize(
    ("absent", "column", "values"),
    [
        ("auth_asym_id", "chain", [b"L", b"L", b"M"]),
        ("label_asym_id", "segment", [b"", b"", b""]),
        ("auth_seq_id", "number", [1, 2, 0]),
        ("label_seq_id", "position", [-1, -1, -1]),
        ("label_seq_id", "polymer", [True, True, True]),
        ("label_comp_id", "residue_name", [b"ALX", b"GLX", b"LIG"]),
        ("label_atom_id", "atom_name", [b"CAX", b"CBX", b"NX"]),
        ("auth_comp_id", "residue_name", [b"ALA", b"GLY", b"."]),
        ("pdbx_PDB_model_num", "model", [1, 1, 1]),
        ("group_PDB", "hetero", [False, False, False]),
        ("occupancy", "occupancy", [1, 1, 1]),
        ("B_iso_or_equiv", "bfactor", [pytest.approx(nan, nan_ok=True)] * 3),
        ("label_alt_id", "altloc", [b"", b"", b""]),
    ],
)
def test_what_stands_for_a_column_that_is_absent(absent: str, column: str, values: list) -> None:
    assert getattr(small(absent).atoms, column).tolist() == values


def test_a_column_that_nothing_stands_for_is_named() -> None:
    with pytest.raises(InputError, match="no Cartn_y"):
        small("Cartn_y")
    with pytest.raises(InputError, match="no label_atom_id"):
        small("label_atom_id", "auth_atom_id")
    with pytest.raises(InputError, match="column auth_seq_id holds no whole number"):
        read_mmcif(SMALL.replace(" 101 ", " 1o1 ").encode())


@pytest.mark.parametrize(
    ("kinds", "polymer"),
    [
        (("polymer", "non-polymer"), [True, True, False]),
        (("non-polymer", "POLYMER"), [False, False, True]),
        (("?", "branched"), [True, True, False]),
        ((".", "water"), [True, True, False]),
    ],
)
def test_the_type_of_an_entity_decides_where_places_do_not(kinds, polymer: list[bool]) -> None:
    rows = "".join(f"{number} {kind}\n" for number, kind in enumerate(kinds, 1))
    tables = f"loop_\n_entity.id\n_entity.type\n{rows}#\n"
    assert small("label_seq_id", tables=tables).atoms.polymer.tolist() == polymer


def test_entities_without_a_sequence_are_no_polymers_beside_those_with_one() -> None:
    head = "loop_\n_entity_poly_seq.entity_id\n_entity_poly_seq.num\n_entity_poly_seq.mon_id\n"
    parsed = small("label_seq_id", tables=f"{head}1 2 MET\n1 10 TRP\n1 1 MSE\n1 2 VAL\n#\n")
    assert parsed.atoms.polymer.tolist() == [True, True, False]
    assert parsed.sequences == {"H": "MMW"}  # by number, of two residues at a place the first
    assert not parsed.stated  # no atom has a place in it
    assert small(tables=f"{head}1 1 MET\n#\n").stated
    other = small("label_seq_id", tables=f"{head}9 1 MET\n#\n")
    assert other.atoms.polymer.tolist() == [True, True, True]
    assert other.sequences == {}


def test_sequences_as_one_word_are_of_every_strand() -> None:
    tables = (
        "loop_\n_entity_poly.entity_id\n_entity_poly.pdbx_strand_id\n"
        "_entity_poly.pdbx_seq_one_letter_code_can\n"
        "1 'H, K'\n;MKv\nLA?\n;\n2 M ?\n#\n"
    )
    assert small(tables=tables).sequences == {"H": "MKVLAX", "K": "MKVLAX"}


def test_where_a_chain_begins_in_its_database_sequence() -> None:
    tables = (
        "loop_\n_struct_ref_seq.pdbx_strand_id\n_struct_ref_seq.db_align_beg\n"
        "H 101\nH 301\nK ?\nL 1\n#\n"
    )
    assert small(tables=tables).begins == {"H": 100, "L": 0}


def test_all_experimental_methods_are_named() -> None:
    methods = "loop_\n_exptl.method\n'Solution NMR'\n'theoretical model'\n'SOLUTION SCATTERING'"
    origin = small(tables=f"{methods}\n#\n").origin
    assert (origin.experiment, origin.confidence) == ("SOLUTION NMR, SOLUTION SCATTERING", None)
