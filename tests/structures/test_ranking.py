"""Ranks in the names predictors give their models."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.structures.ranking import Rank, rank_of


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
