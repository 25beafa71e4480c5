"""What labels tell of a data set's health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sesstore.datasets.diagnosis import data_set, examine
from sesstore.datasets.load import load_own, load_task
from sesstore.datasets.recipes import recipe
from sesstore.datasets.user_data import UserData

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
