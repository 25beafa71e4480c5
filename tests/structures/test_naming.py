"""Ids by rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.structures.naming import alphafold_fragment, other_ids, protein_id


@pytest.mark.parametrize(
    ("name", "chain", "chains", "id"),
    [
        ("AF-P12345-F1-model_v4.cif", "A", 1, "P12345"),
        ("AF-A0A024R1R8-F12-model_v6.cif.gz", "A", 1, "A0A024R1R8"),
        ("AF-P12345-2-F1-model_v4.pdb", "A", 1, "P12345-2"),
        ("AF-P12345-F1.bcif", "A", 1, "P12345"),
        ("1abc.pdb", "A", 1, "1abc"),
        ("1abc.pdb", "A", 2, "1abc_A"),
        ("1abc_A.cif.gz", "A", 2, "1abc_A"),
        ("pdb1abc.ent.gz", "A", 1, "1abc"),
        ("pdb1abc.ent.gz", "B", 2, "1abc_B"),
        ("1ABC-assembly1.cif.gz", "B", 2, "1abc_B"),
        ("1abc_updated.cif.gz", "B", 2, "1abc_B"),
        ("1abc_final.pdb", "A", 1, "1abc"),
        ("pdb_00001abc.cif", "A", 1, "1abc"),
        ("1ABC.pdb", "A", 1, "1ABC"),
        ("1mut_model_0.pdb", "A", 1, "1mut_model_0"),
        ("AF-P12345-F1-v6.cif", "A", 1, "P12345"),
        ("1abc_A.cif.GZ", "A", 1, "1abc_A"),
        ("sp.P12345.v2.pdb", "A", 1, "sp.P12345.v2"),
        ("MyAF-P12345-F1-model_v4.pdb", "A", 1, "MyAF-P12345-F1-model_v4"),
    ],
)
def test_rules(name: str, chain: str, chains: int, id: str) -> None:
    assert protein_id(Path("folder.pdb") / name, chain, chains) == id


def test_only_alphafold_names_are_fragments() -> None:
    assert alphafold_fragment(Path("AF-Q8WZ42-F7-model_v4.cif.gz")) == ("Q8WZ42", 7)
    assert alphafold_fragment(Path("AF-Q8WZ42-model_v4.cif")) is None
    assert alphafold_fragment(Path("Q8WZ42-F7.cif")) is None


def test_the_only_chain_may_be_known_under_another_name() -> None:
    assert other_ids(Path("1abc.pdb"), "A", 1) == ("1abc_A",)
    assert other_ids(Path("1abc_updated.cif"), "A", 1) == ("1abc_A",)
    assert other_ids(Path("1abc_A.pdb"), "A", 1) == ()
    assert other_ids(Path("1abc.pdb"), "A", 2) == ()
    assert other_ids(Path("1abc.pdb"), "", 1) == ()
    assert other_ids(Path("AF-P1-F1-model_v4.cif.gz"), "A", 1) == ("AF-P1-F1-model_v4",)
