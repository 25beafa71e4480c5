"""The user's own files: columns, kinds of labels, formats of FLIP and biotrainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets.columns import Columns
from sesstore.datasets.load import load_own
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError, MissingFileError, RecordError, UnknownNameError
from sesstore.tasks import Problem

from .conftest import SPLITS, labelled, sequences


def table(path: Path, header: str, rows: list[list[object]]) -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_the_users_seed_makes_the_splits(tmp_path: Path) -> None:
    rows = [[s, number % 2] for number, s in enumerate(sequences(60))]
    path = table(tmp_path / "mine.csv", "sequence,label", rows)
    tests = {}
    for seed in (0, 0, 1):
        loaded = load_own(path, UserData(seed=seed, split_by="random"))
        assert f"seed {seed}" in " ".join(loaded.notes)
        test = set(loaded.task.splits["test"].ids)
        assert tests.setdefault(seed, test) == test
    assert tests[0] != tests[1]


def test_what_the_user_says_counts(tmp_path: Path) -> None:
    rows = [[s, i, p, "x"] for i, (s, p) in enumerate(zip(sequences(10), SPLITS, strict=True))]
    path = table(tmp_path / "my data.v2.csv", "Protein,Tm,Set,note", rows)
    own = UserData("melting", "regression", Columns(label="tm"))
    task = load_own(path, own).task
    assert (task.name, task.classes, task.monitor) == ("melting", ("Tm",), "spearman")
    assert task.splits["train"].labels == [float(i) for i in range(8)]
    assert load_own(path, UserData(columns=own.columns)).task.name == "my_data"
    with pytest.raises(UnknownNameError, match="Did you mean 'regression'"):
        load_own(path, UserData(task_type="regresion", columns=own.columns))


def test_residues_with_classes_values_and_masks(tmp_path: Path) -> None:
    texts = sequences(10)
    rows = [[s, "H" * (len(s) - 1) + "E", "1" * (len(s) - 1) + "0", p]
            for s, p in zip(texts, SPLITS, strict=True)]  # fmt: skip
    rows[0][1] = "C" + str(rows[0][1])[1:]
    path = table(tmp_path / "ss.csv", "sequence,target,resolved,set", rows)
    task = load_own(path, UserData()).task
    assert (task.problem, task.classes) == (Problem.RESIDUE_SINGLE_LABEL, ("C", "H"))
    assert task.splits["train"].labels[0].tolist()[-2:] == [1, -100]
    values = [[0.1 * i for i in range(len(s))] for s in texts]
    task = load_own(labelled(tmp_path / "v.jsonl", values), UserData()).task  # type: ignore[arg-type]
    assert task.problem is Problem.RESIDUE_REGRESSION
    assert task.splits["train"].labels[0].dtype == np.float32


def test_flip_csv(tmp_path: Path) -> None:
    flags = [("train", "False")] * 6 + [("train", "True")] * 2 + [("test", "False")] * 2
    rows = [[s, 40.5 + i, *f] for i, (s, f) in enumerate(zip(sequences(10), flags, strict=True))]
    path = table(tmp_path / "mixed_split.csv", "sequence,target,set,validation", rows)
    task = load_own(path, UserData()).task
    assert {n: len(s) for n, s in task.splits.items()} == {"train": 6, "valid": 2, "test": 2}
    assert task.problem is Problem.REGRESSION
    rows[-1][-1] = "True"
    table(path, "sequence,target,set,validation", rows)
    with pytest.raises(RecordError, match=r"line 11.*for validation and for testing"):
        load_own(path, UserData())


@pytest.mark.parametrize(
    ("text", "own", "said"),
    [
        ("seq,y\nMKV,1\nMKL,1\n", UserData(), "all labels are '1'"),
        ("seq,y,z\nMKV,1,2\n", UserData(), "--label: y, z"),
        ("seq,y\nMKV,1\nMKL,\n", UserData(task_type="single_label"), "1 of 2 rows has no label"),
        (
            "seq,y\nMKV,1.5\nMKL,\n",
            UserData(),
            r"bad\.csv, column y, line 3: 1 of 2 rows has no label",
        ),
        ("seq,y\nMK7,1.5\n", UserData(), r"bad\.csv, line 2.*'7'"),
        ("seq,y\nMKV,1\n", UserData("ec"), "'ec' is a published task"),
        ("seq,y\nMKV,HHH\nMKL,HH\n", UserData(task_type="residue_single_label"), "all labels"),
        (
            "seq,y\nMKV,HEH\nMKL,HH\n",
            UserData(task_type="residue_single_label"),
            "line 3.*2 labels",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, own: UserData, said: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        load_own(path, own)


def test_text_that_is_no_label(tmp_path: Path) -> None:
    labels: list[object] = [f"protein number {i}" for i in range(30)]
    rows = [[s, label] for s, label in zip(sequences(30), labels, strict=True)]
    path = table(tmp_path / "t.csv", "seq,description", rows)
    with pytest.raises(InputError, match="is text, and labels differ in 30 of 30 rows"):
        load_own(path, UserData())
    with pytest.raises(MissingFileError, match="no file or folder"):
        load_own(tmp_path / "none.csv", UserData())
