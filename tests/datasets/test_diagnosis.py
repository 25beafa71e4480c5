"""What the doctor finds in the published sets, and in sets made ill on purpose."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sesstore.datasets.checkrows import check_rows
from sesstore.datasets.cleaning import write_clean
from sesstore.datasets.diagnosis import Diagnosis, data_set, examine
from sesstore.datasets.load import load_own, load_task
from sesstore.datasets.recipes import recipe
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError
from sesstore.proteins import Protein
from sesstore.tasks import Problem, Split, Task

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")
RNG = np.random.default_rng(5)


FEW = {"small_valid": 4, "small_test": 4}
"""What is said of every set as small as those made here."""


def counts(found: Diagnosis) -> dict[str, int]:
    return {finding.what: finding.count for finding in found.findings}


def lines(folder: Path) -> list[dict[str, Any]]:
    """Rows of the files, with the split each is of."""
    return [
        {**json.loads(line), "split": file.stem}
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]


def by(rows: Sequence[dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


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


def test_sequences_that_differ_between_sources(shared_data: Path) -> None:
    folders = {
        source: shared_data / "deeploc_binary" / source for source in ("alphafold2", "esmfold")
    }
    data = [
        data_set(source, load_task(recipe("deeploc_binary"), folder, source))
        for source, folder in folders.items()
    ]
    found = examine(data)
    one, other = ({r["name"]: r["aa_seq"] for r in lines(folder)} for folder in folders.values())
    differing = [name for name in one if one[name] != other[name]]
    assert counts(found)["sequence_differs_between_sources"] == len(differing) == 32
    (finding,) = (f for f in found.findings if f.what == "sequence_differs_between_sources")
    assert set(finding.examples) <= set(differing)
    assert not found.healthy
    assert found.splits[0]["tokens"] == {
        "alphafold2": {"proteins": 1.0, "residues": pytest.approx(1.0, abs=0.01)}
    }


def sequence(length: int = 80) -> str:
    return "".join(RNG.choice(LETTERS, length))


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    for split, group in by(rows, "split").items():
        text = [json.dumps({k: v for k, v in row.items() if k != "split"}) for row in group]
        (folder / f"{split}.jsonl").write_text("\n".join(text) + "\n")
    return folder


def healthy_rows() -> list[dict[str, Any]]:
    splits = ["train"] * 12 + ["valid"] * 4 + ["test"] * 4
    return [
        {"name": f"p{i}", "aa_seq": sequence(), "label": ("no", "yes")[i % 2], "split": split}
        for i, split in enumerate(splits)
    ]


def ill_rows() -> list[dict[str, Any]]:
    rows = healthy_rows()
    text = rows[2]["aa_seq"]
    return [
        *rows,
        {**rows[0], "label": "yes"},  # another label
        {**rows[1], "name": "again"},  # repeated
        {**rows[16], "name": "leak", "split": "train"},  # in test, too
        {"name": "near", "aa_seq": text[:40] + "W" + text[41:], "label": "no", "split": "test"},
        {"name": "p4", "aa_seq": sequence(), "label": "no", "split": "valid"},  # a name again
        {"name": "odd", "aa_seq": "MKXXU", "label": "no", "split": "train"},
    ]


def test_a_healthy_set(tmp_path: Path) -> None:
    found = examine([data_set("d", load_own(write(tmp_path / "d", healthy_rows()), UserData()))])
    assert found.healthy
    assert counts(found) == FEW
    assert [facts["rows"] for facts in found.splits] == [12, 4, 4]


def test_every_illness_is_found_and_the_cleaned_copy_has_none(tmp_path: Path) -> None:
    loaded = load_own(write(tmp_path / "ill", ill_rows()), UserData())
    ill = data_set("ill", loaded)
    assert counts(examine([ill])) == {
        "conflicting_labels": 1,
        "in_train_and_test": 1,
        "repeated_in_train": 2,
        "names_of_several_sequences": 1,
        "names_with_differing_labels": 1,
        "nearly_in_train_and_test": 1,
        "small_valid": 5,
        "small_test": 5,
        "short": 1,
        "unusual_letters": 1,
    }
    done = write_clean(tmp_path / "clean", [ill], [{}])["ill"]
    assert done["rows"] == {"train": 11, "valid": 5, "test": 5}
    assert done["changes"] == {
        "dropped: its sequence has differing labels": 2,
        "dropped: its sequence is in a later split, too": 1,
        "dropped: nearly equal to a protein of a later split": 1,
        "dropped: repeats a row": 1,
        "named anew": 1,
    }
    changes = [json.loads(line) for line in (tmp_path / "clean/changes.jsonl").open()]
    assert {"split": "valid", "name": "p4", "done": "named p4~2"} in changes
    again = load_own(tmp_path / "clean", UserData())
    assert again.task.classes == loaded.task.classes
    assert examine([data_set("clean", again)]).healthy
    with pytest.raises(InputError, match="is there already"):
        write_clean(tmp_path / "clean", [ill], [{}])


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


def test_tokens_that_follow_the_class(tmp_path: Path) -> None:
    rows = healthy_rows()
    for row in rows:
        if row["label"] == "yes":
            row["ss8_seq"] = "H" * 80
    loaded = load_own(write(tmp_path / "d", rows), UserData(), "pdb")
    found = examine([data_set("d", loaded)])
    assert counts(found) == {"uneven_tokens_by_class": 100, "without_tokens": 10, **FEW}
    assert found.findings[0].examples == ("no: 0%", "yes: 100%")


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
