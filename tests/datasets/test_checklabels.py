"""What labels tell of a data set's health."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sesstore.datasets.checklabels import check_labels, label_summary
from sesstore.datasets.diagnosis import data_set, examine
from sesstore.datasets.load import load_own, load_task
from sesstore.datasets.recipes import recipe
from sesstore.datasets.user_data import UserData
from sesstore.tasks import IGNORED, Problem, Split, Task

from .conftest import FEW, by, counts, healthy_rows, lines, write


def conflicting(groups: dict[str, list[dict[str, Any]]]) -> int:
    return sum(len({str(row["label"]) for row in rows}) > 1 for rows in groups.values())


def test_names_with_differing_labels_in_thermostability(shared_data: Path) -> None:
    folder = shared_data / "thermostability/alphafold2"
    found = counts(
        examine([data_set("af", load_task(recipe("thermostability"), folder, "alphafold2"))])
    )
    rows = lines(folder)
    assert conflicting(by(rows, "name")) == found["names_with_differing_labels"] == 3
    assert conflicting(by(rows, "aa_seq")) == found["conflicting_labels"] == 3
    assert found["repeated_in_train"] == 3


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("yes", "no", "one of the labels is wrong"),
        ([1, 2], [3], "fused of two proteins"),
        (41.5, 56.25, "measurements that differ"),
    ],
)
def test_why_labels_differ_depends_on_what_they_are(tmp_path: Path, one, other, why) -> None:
    """A lysozyme fused to a receptor stands under both proteins, with the labels of one each."""
    labels = [one, other] * 10
    rows = [{**row, "label": label} for row, label in zip(healthy_rows(), labels, strict=True)]
    rows.append({**rows[0], "name": "4iaq-P00720", "label": other})
    found = examine([data_set("d", load_own(write(tmp_path / "d", rows), UserData()))])
    (conflict,) = (f for f in found.findings if f.what == "conflicting_labels")
    assert conflict.count == 1
    assert why in conflict.why
    assert "--fix" in conflict.todo


def test_labels_that_mislead(tmp_path: Path) -> None:
    rows = healthy_rows()
    for i, row in enumerate(rows):
        row["label"] = "a" if i < 11 else "b" if i < 16 else "c"
    found = counts(examine([data_set("d", load_own(write(tmp_path / "d", rows), UserData()))]))
    assert found == {
        "classes_only_in_test": 1,
        "one_class_in_valid": 1,
        "one_class_in_test": 1,
        "imbalance": 11,
        "rare_classes": 1,
        **FEW,
    }
    for i, row in enumerate(rows):
        row["label"] = 0.1 * i if i < 15 else 400.5 if i == 15 else 1.5
    found = counts(examine([data_set("e", load_own(write(tmp_path / "e", rows), UserData()))]))
    assert found == {"far_values_in_valid": 1, "constant_in_test": 1, **FEW}


def task_of(problem: Problem, **splits: list[Any]) -> Task:
    """Of 30 classes, or of values."""
    classes = ("Tm",) if problem.is_regression else tuple(f"c{number}" for number in range(30))
    rows = {
        name: Split(
            tuple(f"{name}{n}" for n in range(len(labels))),
            np.zeros((len(labels), 32), np.uint8),
            labels,
        )
        for name, labels in splits.items()
    }
    return Task("t", problem, classes, rows, ("accuracy",), "accuracy")


def findings(problem: Problem, **splits: list[Any]) -> dict[str, Any]:
    return {finding.what: finding for finding in check_labels(task_of(problem, **splits))}


SINGLE, MULTI, VALUE = Problem.SINGLE_LABEL, Problem.MULTI_LABEL, Problem.REGRESSION


@pytest.mark.parametrize(
    ("problem", "largest", "rest", "share"),
    [
        (SINGLE, 8, 2, "80%"),
        (SINGLE, 79, 21, None),
        (SINGLE, 9, 1, "90%"),
        (MULTI, 9, 1, None),
    ],
)
def test_a_class_outweighs_from_eight_in_ten(problem, largest, rest, share) -> None:
    labels = [0] * largest + [1] * rest
    found = findings(problem, train=[(k,) for k in labels] if problem is MULTI else labels)
    assert ("imbalance" in found) is (share is not None)
    if share:
        assert found["imbalance"].count == largest
        assert f"class c0, {share} of all" in found["imbalance"].title
        assert f"an accuracy of {largest / (largest + rest):.2f}" in found["imbalance"].why


@pytest.mark.parametrize(("rows", "rare"), [(4, True), (5, False)])
def test_a_class_is_rare_below_five_train_rows(rows: int, rare: bool) -> None:
    found = findings(SINGLE, train=[0] * 9 + [1] * rows, valid=[0, 1] * 10)
    assert ("rare_classes" in found) is rare
    if rare:
        assert (found["rare_classes"].count, found["rare_classes"].examples) == (1, ("c1 (4)",))


@pytest.mark.parametrize(("rows", "small"), [(19, True), (20, False)])
def test_a_split_is_small_below_twenty_proteins(rows: int, small: bool) -> None:
    found = findings(SINGLE, train=[0, 1] * 5, valid=[0, *[1] * (rows - 1)])
    assert ("small_valid" in found) is small
    if small:
        assert found["small_valid"].count == rows


@pytest.mark.parametrize(("value", "far"), [(6.0, 0), (6.001, 1), (-6.0, 0), (-6.001, 1)])
def test_values_are_far_beyond_six_deviations(value: float, far: int) -> None:
    train = [-1.0, 0.0, 0.0, 1.0, 1.0, -1.0, 2.0, -2.0]  # median 0, of distances 1
    found = findings(VALUE, train=train, valid=[1.4826 * value, 0.0])
    assert ("far_values_in_valid" in found) == far
    assert "far_values_in_train" not in found
    same = findings(VALUE, train=[5.0] * 9, valid=[7.0, 8.0])
    assert set(same) == {"constant_in_train", "small_valid"}  # nothing is far from no spread
    assert same["constant_in_train"].examples == ("5",)


def test_where_labels_are_missing_and_what_train_lacks() -> None:
    found = findings(MULTI, train=[(0,)] * 9, valid=[(), (1,), (0, 2)], test=[(0,), (0,)])
    assert found["no_label_in_valid"].examples == ("valid0",)
    assert found["classes_only_in_valid"].examples == ("c1", "c2")
    assert "classes_only_in_test" not in found
    assert {"one_class_in_test", "small_valid", "small_test"} < set(found)
    assert "one_class_in_valid" not in found
    assert "small_train" not in found


def test_residues_without_a_label_are_no_class() -> None:
    labels = [np.array([0, IGNORED, 1]), np.array([IGNORED, IGNORED]), np.array([1, 1])]
    found = findings(Problem.RESIDUE_SINGLE_LABEL, train=[*labels], valid=labels[1:])
    assert (found["no_label_in_train"].count, found["no_label_in_valid"].count) == (1, 1)
    assert found["one_class_in_valid"].examples == ("c1",)
    assert found["rare_classes"].examples == ("c0 (1)", "c1 (2)")  # by rows, the rarest first
    task = task_of(Problem.RESIDUE_SINGLE_LABEL, train=labels)
    assert label_summary(task, task.splits["train"]) == "c1 75%, c0 25%"


@pytest.mark.parametrize(
    ("labels", "summary"),
    [
        ([0] * 5 + [1] * 3 + [2] * 2, "c0 50%, c1 30%, c2 20%"),
        ([0] * 4 + [1] * 3 + [2] * 2 + [3], "c0 40%, c1 30%, c2 20%, 1 more"),
        ([], ""),
    ],
)
def test_labels_of_a_split_in_a_few_words(labels: list[int], summary: str) -> None:
    task = task_of(SINGLE, train=labels)
    assert label_summary(task, task.splits["train"]) == summary


def test_values_of_a_split_in_a_few_words() -> None:
    task = task_of(VALUE, train=[1.0, 4.0, 2.0, float("nan")], valid=[])
    assert label_summary(task, task.splits["train"]) == "1 to 4, median 2"
    assert label_summary(task, task.splits["valid"]) == "none"


def test_names_that_differ_in_case_or_blanks() -> None:
    task = replace(task_of(SINGLE, train=[0, 1]), classes=("Cell wall", "cellWall", "b", "B", "c"))
    (alike,) = (f for f in check_labels(task) if f.what == "classes_alike")
    assert (alike.count, alike.examples) == (4, ("'Cell wall', 'cellWall'", "'b', 'B'"))


def test_what_biases_and_what_is_good_to_know() -> None:
    found = findings(MULTI, train=[(0,)] * 9 + [(1,), (1,), (1,), (2,), ()], valid=[(3,), (3,)])
    assert {what: finding.biases for what, finding in found.items()} == {
        "classes_only_in_valid": True, "one_class_in_valid": True, "small_valid": False,
        "rare_classes": False, "no_label_in_train": False,
    }  # fmt: skip
    assert found["rare_classes"].examples == ("c2 (1)", "c1 (3)")  # the rarest first
    assert found["no_label_in_train"].examples == ("train13",)
    assert "sesstore train t --folds 5" in found["small_valid"].todo
    found = findings(VALUE, train=[0.0, 1.0, 2.0], valid=[500.0] * 20)
    assert {what: (finding.count, finding.biases) for what, finding in found.items()} == {
        "far_values_in_valid": (20, True), "constant_in_valid": (1, True),
    }  # fmt: skip
    assert found["far_values_in_valid"].examples == ("500",) * 5


def test_a_task_of_one_class_or_without_train_rows() -> None:
    found = findings(SINGLE, train=[0] * 9, valid=[0, 1] * 10)
    assert set(found) == {"imbalance", "classes_only_in_valid"}
    assert set(findings(SINGLE, valid=[0, 1] * 10)) == {"classes_only_in_valid"}
    assert set(findings(VALUE, valid=[0.5, 1.0] * 10)) == set()
    residues = [np.array([0.5, np.nan]), np.array([np.nan])]
    found = findings(Problem.RESIDUE_REGRESSION, train=residues, valid=residues * 10)
    assert set(found) == {"no_label_in_train", "no_label_in_valid", "constant_in_train",
                          "constant_in_valid"}  # fmt: skip
    assert found["no_label_in_valid"].count == 10
