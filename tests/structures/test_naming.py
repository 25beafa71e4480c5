"""Ids by rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.structures.naming import (
    Rank,
    alphafold_fragment,
    other_ids,
    protein_id,
    rank_of,
    stem,
    twin,
)


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


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("P1_relaxed_rank_001_alphafold2_ptm_model_3_seed_000.pdb", Rank(1, True)),
        ("P1_unrelaxed_rank_001_alphafold2_ptm_model_3_seed_000.pdb", Rank(1, False)),
        ("P1_unrelaxed_rank_012_alphafold2_multimer_v3_model_5_seed_000.pdb.gz", Rank(12, False)),
        ("P1_unrelaxed_rank_2_model_5.pdb", Rank(2, False)),
        ("P1_unrelaxed_model_5_rank_2.pdb", Rank(2, False)),
        ("P1_rank_003_alphafold2_ptm_model_3_seed_000.pdb", Rank(3, False)),
        ("ranked_0.pdb", Rank(1, True)),
        ("ranked_24.cif", Rank(25, True)),
        ("relaxed_model_3_pred_0.pdb", Rank(1_000_000, True)),
        ("unrelaxed_model_1_ptm_pred_0.pdb", Rank(1_000_000, False)),
        ("fold_job_model_0.cif", Rank(1, False)),
        ("job_model_4.cif", Rank(5, False)),
        ("job_seed_101_sample_2.cif", Rank(3, False)),
        ("pred.model_idx_1.cif", Rank(2, False)),
        ("seed-1_sample-0/model.cif", Rank(1_000_000, False)),
        ("job_seed-1_sample-4_model.cif", Rank(1_000_000, False)),
        ("job_model.cif", None),
        ("AF-P12345-F1-model_v4.cif", None),
        ("1abc_A.pdb", None),
        ("my_ranked_list.pdb", None),
        ("homology_model.pdb", None),
    ],
)
def test_names_say_their_rank(name: str, rank: Rank | None) -> None:
    assert rank_of(Path("job") / name) == rank


def test_twins_differ_in_case_and_in_nothing_else() -> None:
    pairs = [("A", "a"), ("Ab", "aB"), ("A", "A"), ("A", "B"), ("A", "A-2")]
    assert [twin(*pair) for pair in pairs] == [True, True, False, False, False]


def test_the_name_of_a_file_without_its_suffixes() -> None:
    names = ["1abc.pdb.gz", "1abc.PDB.GZ", "1abc.v2.cif", "1abc"]
    assert [stem(Path(name)) for name in names] == ["1abc", "1abc", "1abc.v2", "1abc"]
