"""What sequences tell of a data set's health."""

from __future__ import annotations

from pathlib import Path

from sesstore.datasets.diagnosis import data_set, examine
from sesstore.datasets.load import load_task
from sesstore.datasets.recipes import recipe

from .conftest import by, counts, lines


def test_equal_sequences_across_splits_in_ec(shared_data: Path) -> None:
    folder = shared_data / "ec/alphafold2"
    found = counts(examine([data_set("af", load_task(recipe("ec"), folder, "alphafold2"))]))
    groups = by(lines(folder), "aa_seq").values()
    across = sum({"train", "valid"} <= {row["split"] for row in rows} for rows in groups)
    assert across == found["in_train_and_valid"] == 1
    assert found["repeated_in_train"] == 1
    # Counted once by all pairs of 4-mer sets, without MinHash.
    near = {what: count for what, count in found.items() if what.startswith("nearly")}
    assert near == {
        "nearly_in_train_and_valid": 1,
        "nearly_in_train_and_test": 3,
        "nearly_in_valid_and_test": 1,
    }
