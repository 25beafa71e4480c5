"""Rows too few to say anything."""

from __future__ import annotations

from dataclasses import replace
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


def test_rows_that_repeat_are_counted_beside_the_first() -> None:
    """And one label that differs, one name of two sequences."""
    a, b, c = (Protein(n, s).digest for n, s in (("a", "MKV"), ("b", "MKL"), ("c", "MKI")))

    def split(*rows: tuple[str, bytes, int]) -> Split:
        digests = np.frombuffer(b"".join(row[1] for row in rows), np.uint8).reshape(-1, 32)
        return Split(tuple(row[0] for row in rows), digests, [row[2] for row in rows])

    splits = {
        "train": split(("p", a, 0), ("p2", a, 0), ("p3", a, 0), ("q", b, 1)),
        "valid": split(("p", c, 0)),
        "test": split(("r", b, 0), ("s", a, 0)),
    }
    task = Task("t", Problem.SINGLE_LABEL, ("no", "y" * 50), splits, ("accuracy",), "accuracy")
    found = {finding.what: finding for finding in check_rows(task)}
    assert {what: finding.count for what, finding in found.items()} == {
        "conflicting_labels": 1,
        "in_train_and_test": 2,
        "repeated_in_train": 2,
        "names_of_several_sequences": 1,
    }
    assert found["conflicting_labels"].examples == (f"q, r: {'y' * 37}... or no",)
    for length, shown in ((39, "y" * 39), (40, "y" * 37 + "...")):
        named = replace(task, classes=("no", "y" * length))
        (conflict,) = (f for f in check_rows(named) if f.what == "conflicting_labels")
        assert conflict.examples == (f"q, r: {shown} or no",)
    assert all(finding.biases for finding in found.values())
    assert found["repeated_in_train"].examples == ("p, p2, p3",)
    assert found["names_of_several_sequences"].examples == ("p (train row 1, valid row 1)",)
    assert "test only" in found["in_train_and_test"].todo
