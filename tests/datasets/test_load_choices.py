"""What the user says beside the files reaches what reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sesstore.alphabets import DSSP
from sesstore.datasets.columns import Columns
from sesstore.datasets.load import load_own, load_task
from sesstore.datasets.recipes import recipe
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError, MissingFileError, RecordError, UnknownNameError
from sesstore.tasks import Problem

from .conftest import SPLITS, labelled, sequences

RECIPE = recipe("deeploc_binary")


def table(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(count: int, **further: object) -> list[dict[str, object]]:
    return [
        {"id": f"p{n}", "aa_seq": text, "label": n % 2, **further}
        for n, text in enumerate(sequences(count))
    ]


@pytest.mark.parametrize("kind", ["published", "own"])
def test_tokens_of_the_wrong_length_are_masked_on_request(tmp_path: Path, kind: str) -> None:
    made = [{**row, "split": split} for row, split in zip(rows(10), SPLITS, strict=True)]
    for row in made:
        row["ss8_seq"] = "H" * len(str(row["aa_seq"]))
    made[3]["ss8_seq"] = "HH"
    path = table(tmp_path / "mine.jsonl", made)

    def read(**choices: bool):
        if kind == "own":
            return load_own(path, UserData(), "pdb", **choices)
        return load_task(RECIPE, path, "pdb", **choices)

    for choices in ({}, {"allow_partial": False}):
        with pytest.raises(RecordError, match=r"line 4 .*ss8_seq has 2 letters"):
            read(**choices)
    loaded = read(allow_partial=True)
    assert loaded.task.source == "pdb"
    assert {tokens.source for tokens in loaded.tokens} == {"pdb"}
    by_digest = {tokens.digest: tokens.codes["dssp"][0] for tokens in loaded.tokens}
    digests = {protein.id: protein.digest for protein in loaded.proteins}
    assert set(by_digest[digests["p3"]].tolist()) == {DSSP.mask}
    assert DSSP.decode(by_digest[digests["p4"]]) == made[4]["ss8_seq"]
    assert "rows whose tokens have the wrong length and are masked: 1" in loaded.warnings
    assert loaded.created_splits == ()


def test_rows_of_a_published_task_without_a_label_are_left_out_on_request(tmp_path: Path) -> None:
    made = [{**row, "split": split} for row, split in zip(rows(10), SPLITS, strict=True)]
    made[2]["label"] = None
    path = table(tmp_path / "mine.jsonl", made)
    with pytest.raises(RecordError, match=r"line 3 .*no label"):
        load_task(RECIPE, path)
    loaded = load_task(RECIPE, path, drop_unlabelled=True)
    assert loaded.task.splits["train"].ids == ("p0", "p1", "p3", "p4", "p5", "p6", "p7")
    assert loaded.notes[0] == "1 of 10 rows has no label (empty: 1): left out, as asked"
    assert loaded.task.notes == tuple(loaded.notes)
    assert loaded.task.classes == RECIPE.classes


@pytest.mark.parametrize("kind", ["published", "own"])
def test_splits_are_made_by_what_and_seed_the_user_says(tmp_path: Path, kind: str) -> None:
    made = [{**row, "lab": f"lab{n // 3}"} for n, row in enumerate(rows(60))]
    path = table(tmp_path / "mine.jsonl", made)

    def read(seed: int, split_by: str):
        if kind == "own":
            user_data = UserData(columns=Columns(label="label"), seed=seed, split_by=split_by)
            return load_own(path, user_data)
        return load_task(RECIPE, path, seed=seed, split_by=split_by)

    tests = [read(seed, "lab").task.splits["test"] for seed in (0, 0, 1)]
    assert tests[0].ids == tests[1].ids != tests[2].ids
    loaded = read(4, "lab")
    assert (loaded.task.split_by, loaded.created_splits) == ("lab", ("valid", "test"))
    assert "column lab" in loaded.notes[-1]
    assert "seed 4" in loaded.notes[-1]
    homes: dict[str, set[str]] = {}
    for name, split in loaded.task.splits.items():
        assert split.groups == tuple(f"lab{int(row[1:]) // 3}" for row in split.ids)
        for lab in split.groups:
            homes.setdefault(lab, set()).add(name)
    assert all(len(names) == 1 for names in homes.values())
    assert read(0, "random").task.split_by == "random"


def test_test_rows_need_no_group_where_valid_is_drawn_from_train(tmp_path: Path) -> None:
    made = [{**row, "split": "train", "lab": f"lab{n // 2}"} for n, row in enumerate(rows(30))]
    for row, lab in zip(made[-3:], ("x", "", "y"), strict=True):
        row |= {"split": "test", "lab": lab}
    task = load_own(table(tmp_path / "mine.jsonl", made), UserData(split_by="lab")).task
    sizes = {name: (len(split), len(split.groups)) for name, split in task.splits.items()}
    # Of 27 rows in pairs and one alone a tenth.
    assert sizes == {"train": (24, 24), "valid": (3, 3), "test": (3, 0)}
    made[-2]["lab"] = "x"
    task = load_own(table(tmp_path / "mine.jsonl", made), UserData(split_by="lab")).task
    assert task.splits["test"].groups == ("x", "x", "y")


def test_notes_are_columns_omissions_kind_notation_and_splits_in_this_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    # Each might be two classes in order, were it not for the semicolons.
    lines = [f"{s};{n % 4},{n % 4 + 5};{n}" for n, s in enumerate(sequences(40))]
    path.write_text("seq;Tm;other\n" + "\n".join(lines) + "\nMKV;NA;1\n")
    loaded = load_own(path, UserData(columns=Columns(label="tm"), drop_unlabelled=True,
                                     split_by="random"))  # fmt: skip
    begins = ["columns of mine.csv: sequence = seq, label = Tm (not read: other)",
              "1 of 41 rows has no label (NA: 1): left out", "task type regression (guessed",
              "labels have decimal commas", "no split was given: made from 40"]  # fmt: skip
    assert [note[: len(begin)] for note, begin in zip(loaded.notes, begins, strict=True)] == begins
    values = [v for split in loaded.task.splits.values() for v in split.labels]
    assert sorted(values) == sorted([0.5, 1.6, 2.7, 3.8] * 10)
    assert loaded.created_splits == ("valid", "test")
    assert loaded.task.problem is Problem.REGRESSION


@pytest.mark.parametrize(
    ("text", "user_data", "error", "told"),
    [
        ("a,b\nx,1\n", UserData(), RecordError, r"mine\.csv.*no column aa_seq.*Found: a, b"),
        ("seq,a,b\nMK,x,1\n", UserData(), RecordError, r"mine\.csv.*which column is the label"),
        ("seq,y\nMK,1\n", UserData(columns=Columns(label="yy")), UnknownNameError, "'yy'"),
        ("seq,y\nMK,1\n", UserData(split_by="lab"), UnknownNameError, "'lab'"),
        ('seq,y\nMK,"0,5"\nMV,"1,7"\n', UserData(), RecordError,
         r"mine\.csv.*column y: labels such as '0,5'"),
        ('seq,y\nMK,"[1 2]"\nMV,"[1 ... 2]"\n', UserData(), RecordError,
         r"mine\.csv, line 3 .*was cut when it was printed"),
        ("seq,y\nMK,1\nMV,x\n", UserData(task_type="regression"), RecordError,
         r"mine\.csv, line 3 .*column y: label 'x' is no number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_column(
    tmp_path: Path, text: str, user_data: UserData, error: type[Exception], told: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(error, match=told):
        load_own(path, user_data)


def test_fasta_has_no_columns_to_split_by(tmp_path: Path) -> None:
    path = tmp_path / "mine.fasta"
    path.write_text(">a TARGET=x\nMK\n>b TARGET=y\nMV\n")
    with pytest.raises(InputError, match="FASTA has no column 'lab' to split by"):
        load_own(path, UserData(split_by="lab"))


def test_a_folder_is_read_split_by_split(tmp_path: Path) -> None:
    made = rows(10)
    for name, part in (("train", made[:6]), ("dev", made[6:8]), ("test", made[8:])):
        table(tmp_path / f"{name}.jsonl", part)
    loaded = load_own(tmp_path, UserData("mine"))
    assert {name: split.ids for name, split in loaded.task.splits.items()} == {
        "train": tuple(f"p{n}" for n in range(6)), "valid": ("p6", "p7"), "test": ("p8", "p9"),
    }  # fmt: skip
    assert loaded.notes[0].startswith("columns of train.jsonl: sequence = aa_seq, id = id")
    assert [p.id for p in loaded.proteins] == [f"p{n}" for n in range(10)]
    with pytest.raises(MissingFileError, match="no file or folder"):
        load_own(tmp_path / "none", UserData())
    assert load_own(labelled(tmp_path / "a.jsonl", ["x", "y"] * 5), UserData()).task.name == "a"


def test_files_of_a_benchmark_are_named_in_a_note(tmp_path: Path) -> None:
    path = tmp_path / "low_vs_high.csv"
    lines = [f"{s},{n}.5,{'test' if n > 7 else 'train'},{n in (5, 6)}" for n, s in
             enumerate(sequences(10))]  # fmt: skip
    path.write_text("\n".join(["sequence,target,set,validation", *lines]) + "\n")
    task = recipe("flip_gb1_low_vs_high")
    loaded = load_task(task, tmp_path)
    assert loaded.notes == [f"read {path}"]
    assert loaded.task.splits["valid"].labels == [5.5, 6.5]
    assert (loaded.task.split_by, loaded.created_splits) == (None, ())
    assert (loaded.task.citation, loaded.task.monitor) == (task.citation, task.monitor)
    with pytest.raises(InputError, match="the rows say their splits, so none is made"):
        load_task(task, tmp_path, split_by="random")
