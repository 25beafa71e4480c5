"""The user's own files: columns, kinds of labels, formats of FLIP and biotrainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets.columns import Columns
from sesstore.datasets.load import load_own
from sesstore.datasets.records import Record
from sesstore.datasets.user_data import METRICS, MONITOR, UserData, own_recipe, task_name
from sesstore.errors import InputError, MissingFileError, RecordError, UnknownNameError
from sesstore.proteins import Protein
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


@pytest.mark.parametrize(
    ("file", "choice", "name"),
    [
        ("a.csv", None, "a"),
        ("a.b.csv.gz", None, "a"),
        ("my data (2).csv", None, "my_data_2"),
        ("__.csv", None, "mydata"),
        ("a.csv", "b", "b"),
        ("my.folder", None, "my.folder"),
        ("T+m-1_x.csv", None, "T+m-1_x"),
    ],
)
def test_what_a_task_is_called(tmp_path: Path, file: str, choice: str | None, name: str) -> None:
    (tmp_path / "my.folder").mkdir()
    assert task_name(tmp_path / file, choice) == name
    with pytest.raises(InputError, match=r"'ec' is a published task.*sesstore add ec --data .*ec"):
        task_name(tmp_path / "ec.csv", None)


def records_of(labels: list[object]) -> list[Record]:
    return [
        Record(Protein(f"p{n}", "MKVLA"), label, {}, (), None, Path("d.csv"), n)
        for n, label in enumerate(labels)
    ]


@pytest.mark.parametrize(
    ("labels", "task_type", "classes", "metrics", "note"),
    [
        (
            ["b", "a"], None, ("a", "b"), "accuracy balanced_accuracy mcc f1 auroc",
            "task type single_label (guessed: labels are 2 different words; --task-type says "
            "otherwise), 2 classes (a, b)",
        ),
        (
            [7, 1, 2, 3, 4, 5, 6], "single_label", tuple("1234567"), None,
            "task type single_label (as given), 7 classes (1, 2, 3, 4, 5, 6, ...)",
        ),
        (
            [1, 2], "regression", ("Tm",), "spearman pearson rmse mae r2",
            "task type regression (as given)",
        ),
        (
            [["x"], ["x", "y"]], None, ("x", "y"), "f1max auprc f1_micro",
            "task type multi_label (guessed: labels are lists; --task-type says otherwise), "
            "2 classes (x, y)",
        ),
        (
            ["HHEEL"], None, ("E", "H", "L"), "accuracy balanced_accuracy mcc f1 auroc",
            "task type residue_single_label (guessed: there is a letter or class for each residue; "
            "--task-type says otherwise), 3 classes (E, H, L)",
        ),
        ([[1, 2, 3, 4, 5.5]], None, ("Tm",), "spearman pearson rmse mae r2", None),
    ],
)  # fmt: skip
def test_the_recipe_of_ones_own_data(
    labels: list[object], task_type: str | None, classes: tuple[str, ...],
    metrics: str | None, note: str | None,
) -> None:  # fmt: skip
    made, told = own_recipe("mine", records_of(labels), UserData(task_type=task_type), "Tm")
    assert (made.name, made.title, made.classes) == ("mine", "Tm", classes)
    assert (made.citation, made.hub, made.layout) == ("", {}, None)
    assert made.metrics == (tuple(metrics.split()) if metrics else METRICS[made.problem])
    assert (
        made.monitor
        == {"accuracy": "mcc", "f1max": "f1max", "spearman": "spearman"}[made.metrics[0]]
    )
    assert told == note or note is None
    assert all(MONITOR[problem] in METRICS[problem] for problem in Problem)


def test_columns_and_kind_as_the_user_says() -> None:
    named = Columns(label="y", id="p")
    for method in (None, "cluster", "random", "position"):
        assert UserData(columns=named, split_by=method).all_columns == named
    assert UserData(columns=named, split_by="lab").all_columns == Columns(
        label="y", id="p", group="lab"
    )
    assert UserData().problem is None
    assert UserData(task_type="multi_label").problem is Problem.MULTI_LABEL
    with pytest.raises(InputError, match="all labels are nothing"):
        own_recipe("mine", records_of([""]), UserData(task_type="single_label"), "Tm")
