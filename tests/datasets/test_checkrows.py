"""Rows too few to say anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets.checkrows import check_rows
from sesstore.datasets.diagnosis import data_set, examine
from sesstore.datasets.load import load_own
from sesstore.datasets.user_data import UserData
from sesstore.proteins import Protein
from sesstore.tasks import Problem, Split, Task

from .conftest import counts, sequence, write


def test_few_rows_of_a_class_and_few_proteins_of_a_split(tmp_path: Path) -> None:
    splits = ["train"] * 30 + ["valid"] * 20 + ["test"] * 19
    names = ["common"] * 21 + ["five"] * 5 + ["four"] * 4 + ["common", "five", "four"] * 13
    rows = [
        {"name": f"p{i}", "aa_seq": sequence(), "label": name, "split": split}
        for i, (name, split) in enumerate(zip(names, splits, strict=True))
    ]
    found = examine([data_set("d", load_own(write(tmp_path / "d", rows), UserData()))])
    assert counts(found) == {"small_test": 19, "rare_classes": 1}
    assert found.findings[1].examples == ("four (4)",)
    assert found.healthy
    many = [{**row, "label": ["common", row["label"]]} for row in rows]
    found = examine([data_set("e", load_own(write(tmp_path / "e", many), UserData()))])
    assert found.findings[1].examples == ("four (4)",)


@pytest.mark.parametrize(
    ("rows", "missing"),
    [({"test": 0}, True), ({}, True), ({"test": 2}, False), ({"test_far": 2}, False)],
)
def test_results_on_valid_are_warned_of_where_no_row_is_for_testing(rows, missing) -> None:
    """A split without rows is none; a test set of another name is one."""

    def split(first: int, count: int) -> Split:
        proteins = [Protein(f"p{i}", "MKV" + "A" * i) for i in range(first, first + count)]
        digests = np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)
        return Split(tuple(p.id for p in proteins), digests, [i % 2 for i in range(count)])

    splits = {"train": split(0, 2), "valid": split(2, 2)}
    splits |= {name: split(4, count) for name, count in rows.items()}
    task = Task("t", Problem.SINGLE_LABEL, ("a", "b"), splits, ("accuracy",), "accuracy")
    assert ("no_test_rows" in [finding.what for finding in check_rows(task)]) is missing
