"""Chains of real entries, and of small files written here: one case a test."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from biotite.structure.io import pdbx

from sesstore.errors import MissingFileError, StructureError
from sesstore.structures.chains import parse_structure, read_structure, structure_suffix

from .conftest import read, residue


@pytest.mark.parametrize(
    ("entry", "chains", "models"),
    [
        ("1aki.pdb", {"A": 129}, 1),
        ("1aki.cif", {"A": 129}, 1),
        ("1dix.cif", {"A": 208}, 1),
        ("1igy.cif", {"A": 213, "B": 434, "C": 213, "D": 434}, 1),
        ("1k6p.pdb", {"A": 99, "B": 99}, 1),
        ("1l2y.cif", {"A": 20}, 38),
        ("1xso.pdb", {"A": 150, "B": 150}, 1),
        ("2axd.cif", {"S": 76}, 12),
        ("3o5r.cif", {"A": 128}, 1),
        ("5zng.cif", {"A": 79, "C": 62}, 1),
        ("altloc.cif", {"A": 1}, 1),
    ],
)
def test_entries_have_their_chains_and_models(
    shared_structures: Path, entry: str, chains: dict[str, int], models: int
) -> None:
    structure = read_structure(shared_structures / entry)
    assert {chain.id: len(chain) for chain in structure.chains} == chains
    for chain in structure.chains:
        assert chain.backbone.shape == (models, len(chain), 5, 3)
        assert np.isfinite(chain.backbone[:, :, 1]).all()
    assert bool(structure.origin.experiment) == (entry != "altloc.cif")


def test_both_formats_of_an_entry_are_the_same_chain(shared_structures: Path) -> None:
    (one,) = read_structure(shared_structures / "1aki.pdb").chains
    (two,) = read_structure(shared_structures / "1aki.cif").chains
    assert one.residues == two.residues
    assert one.sequence == two.sequence
    np.testing.assert_array_equal(one.backbone, two.backbone)
    np.testing.assert_array_equal(one.bfactors, two.bfactors)
    np.testing.assert_array_equal(one.numbers, two.numbers)


@pytest.mark.parametrize("entry", ["1aki", "1igy", "1l2y", "5zng", "altloc"])
def test_binary_cif_gives_what_its_text_gives(shared_structures: Path, entry: str) -> None:
    path = shared_structures / f"{entry}.cif"
    text = pdbx.CIFFile.read(path)
    binary = pdbx.BinaryCIFFile(
        {
            "entry": pdbx.BinaryCIFBlock(
                {
                    name: pdbx.BinaryCIFCategory(
                        {
                            key: pdbx.BinaryCIFColumn(
                                pdbx.BinaryCIFData(column.data.array),
                                None
                                if column.mask is None
                                else pdbx.BinaryCIFData(column.mask.array),
                            )
                            for key, column in text.block[name].items()
                        }
                    )
                    for name in ("atom_site", "entity_poly", "entity_poly_seq")
                    if name in text.block
                }
            )
        }
    )
    packed = io.BytesIO()
    binary.write(packed)
    expected = read_structure(path)
    for name, raw in (
        ("x.bcif", packed.getvalue()),
        ("x.bcif.gz", gzip.compress(packed.getvalue())),
    ):
        got = parse_structure(Path(name), raw)
        assert len(got.chains) == len(expected.chains)
        for one, two in zip(got.chains, expected.chains, strict=True):
            assert (one.id, one.residues, one.sequence) == (two.id, two.residues, two.sequence)
            np.testing.assert_array_equal(one.backbone, two.backbone)
            np.testing.assert_array_equal(one.insertions, two.insertions)


def test_gzipped_files_are_read(shared_structures: Path, tmp_path: Path) -> None:
    for entry in ("1aki.pdb", "1aki.cif"):
        packed = tmp_path / f"{entry}.gz"
        packed.write_bytes(gzip.compress((shared_structures / entry).read_bytes()))
        plain = read_structure(shared_structures / entry).chains[0]
        assert read_structure(packed).chains[0].residues == plain.residues


def test_insertion_codes_are_kept(shared_structures: Path) -> None:
    heavy = read_structure(shared_structures / "1igy.cif").chains[1]
    assert (heavy.insertions != "").any()
    keys = list(zip(heavy.numbers.tolist(), heavy.insertions.tolist(), strict=True))
    assert len(set(keys)) == len(keys)
    assert heavy.positions is not None
    assert (np.diff(heavy.positions) == 1).all()


def test_insertions_and_several_chains_of_a_pdb_file() -> None:
    text = (
        residue("ALA", 52)
        + residue("GLY", 52, insertion="A", shift=3.8)
        + residue("SER", 53, shift=3.8)
        + residue("SER", 1, chain="b")
    )
    one, two = read(text).chains
    assert (one.residues, one.insertions.tolist()) == ("AGS", ["", "A", ""])
    assert (two.id, two.residues) == ("b", "S")


def test_numbers_beyond_four_digits_are_hybrid_36() -> None:
    text = residue("ALA", 9999, shift=-3.8 * 9999) + residue("GLY", 1).replace("A   1 ", "AA000 ")
    assert read(text).chains[0].numbers.tolist() == [9999, 10000]


def test_the_method_of_the_experiment_is_the_files_own() -> None:
    body = residue("ALA", 1)
    for method in ("X-RAY DIFFRACTION", "SOLUTION NMR", "NMR, 20 STRUCTURES"):
        assert read(f"EXPDTA    {method}\n{body}").origin.experiment == method
    for line in ("TITLE     NMR OF ALPHAFOLD", "EXPDTA    THEORETICAL MODEL", "EXPDTA"):
        assert not read(f"{line}\n{body}").origin.experiment


def test_nucleic_acids_alone_are_a_clear_error(shared_structures: Path) -> None:
    with pytest.raises(StructureError, match=r"4gxy\.pdb.*no protein residue.*Leave it out"):
        read_structure(shared_structures / "4gxy.pdb")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no structure file"):
        read_structure(tmp_path / "none.pdb")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.pdb", "", "is empty"),
        ("a.pdb", "nothing here\n", "no protein residue"),
        ("a.cif", "nothing here\n", "cannot be read|no table of atoms"),
        ("a.cif", "data_x\n_entry.id x\n", "no table of atoms"),
        ("a.pdb", residue("ALA", 1)[:-40], "line 4 is cut short"),
        ("a.pdb", residue("ALA", 1).replace("0.800", "  NaN"), "not numbers"),
        ("a.pdb", residue("ALA", 1).replace("0.800", "x.800"), "no number at column 39"),
        ("a.pdb", residue("ALA", 1).replace("A   1 ", "A  1? "), "no residue number"),
        ("a.txt", residue("ALA", 1), "none of"),
        ("a.pdb.gz", residue("ALA", 1), "broken gzip"),
        ("a.bcif", residue("ALA", 1), "cannot be read"),
    ],
)
def test_broken_files_say_what_is_wrong(name: str, text: str, said: str) -> None:
    with pytest.raises(StructureError, match=said) as raised:
        read(text, name)
    assert f"'{name}'" in str(raised.value)


def test_another_unit_or_swapped_columns_are_noticed() -> None:
    lines = [residue("ALA", 1), residue("GLY", 2), residue("SER", 3)]
    text = "".join(lines)
    broken = "".join(
        line[:30] + "".join(f"{float(line[a : a + 8]) / 10:8.3f}" for a in (30, 38, 46)) + line[54:]
        for line in text.splitlines(keepends=True)
    )
    with pytest.raises(StructureError, match="no protein's geometry"):
        read(broken)


def test_chains_have_their_segment_and_where_they_begin(draft) -> None:
    draft.parts += ["TER", *draft.shifted(60, chain="B")]
    heads = [f"{f'DBREF  1ABC {name}    1   60  UNP':<55}{begin:5d}{begin + 59:7d}\n"
             for name, begin in (("A", 101), ("B", 1))]  # fmt: skip
    draft.head = "".join(heads)
    assert [(c.id, c.begin, c.segment) for c in draft.read().chains] == [
        ("A", 100, ""), ("B", 0, ""),
    ]  # fmt: skip
    for atom in draft.atoms:
        atom.label = {"A": "XA", "B": "XB"}[atom.chain]
    chains = draft.read("cif").chains
    assert [(c.id, c.begin, c.segment) for c in chains] == [("A", None, "XA"), ("B", None, "XB")]


def test_residues_without_a_c_alpha_are_counted_for_their_own_chain(draft) -> None:
    draft.parts += ["TER", *draft.shifted(60, chain="B")]
    draft.parts = [
        part
        for part in draft.parts
        if isinstance(part, str)
        or not (part.chain == "B" and part.number < 4 and part.name == "CA")
    ]
    (remark,) = draft.read().remarks
    assert remark.detail == "chain B: 57 of 60 have one"


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("1abc.PDB", ".pdb"), ("1abc.ent.GZ", ".ent"), ("1abc.pdb1.gz", ".pdb"),
     ("1abc.pdb12", ".pdb"), ("1abc.v2.mmCIF", ".mmcif"),
     ("1abc.gz", ""), ("1abc.pdbx", ".pdbx"), ("x.fcz", ".fcz")],
)  # fmt: skip
def test_the_suffix_of_a_file(name: str, suffix: str) -> None:
    assert structure_suffix(Path("folder.cif") / name) == suffix
