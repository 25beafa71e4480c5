"""Rows as SES-Adapter reads them: the first of several conformers, masks without tokens."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.datasets.load import load_own
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError
from sesstore.exchange.sesadapter import write_sesadapter
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task

from ..noting import Noting

PROTEINS = [Protein("a", "MKVL"), Protein("b", "MKV"), Protein("c", "MK")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.create(tmp_path / "s")
    made.add_proteins(PROTEINS)
    codes = {
        "foldseek": np.stack([FOLDSEEK.encode("DVPL"), FOLDSEEK.encode("AAAA")]),
        "dssp": np.stack([DSSP.encode("HHLL"), DSSP.encode("EEEE")]),
    }
    made.add_tokens([StructureTokens(PROTEINS[0].digest, "nmr", codes)], {})
    only_3di = {"foldseek": FOLDSEEK.encode("PPP")[None]}
    made.add_tokens([StructureTokens(PROTEINS[1].digest, "nmr", only_3di)], {})
    digests = np.frombuffer(b"".join(p.digest for p in PROTEINS), np.uint8).reshape(-1, 32)
    split = Split(("row a", "row b", "row c"), digests, [0, 1, 1])
    made.add_task(
        Task("t", Problem.SINGLE_LABEL, ("x", "y"), {"train": split}, ("accuracy",), "accuracy")
    )
    return made


ROWS = [
    ("row a", "MKVL", "DVPL", "HHLL", 0),
    ("row b", "MKV", "PPP", "###", 1),
    ("row c", "MK", "##", "##", 1),
]


@pytest.mark.parametrize("style", ["jsonl", "csv"])
def test_rows_have_the_first_conformer_or_masks(store: Store, tmp_path: Path, style: str) -> None:
    progress = Noting()
    out, task = tmp_path / "out", store.task("t")
    assert write_sesadapter(out, store, task, "nmr", style=style, progress=progress) == 3
    assert progress.amounts == [1, 1, 1]
    text = (tmp_path / "out" / f"train.{style}").read_text().splitlines()
    rows = [json.loads(line) for line in text] if style == "jsonl" else list(csv.DictReader(text))
    columns = ("name", "aa_seq", "foldseek_seq", "ss8_seq", "label")
    assert [tuple(str(row[c]) for c in columns) for row in rows] == [
        tuple(map(str, row)) for row in ROWS
    ]


def test_without_a_source_there_are_no_token_columns(store: Store, tmp_path: Path) -> None:
    write_sesadapter(tmp_path / "out", store, store.task("t"), None)
    row = json.loads((tmp_path / "out" / "train.jsonl").read_text().splitlines()[0])
    assert row == {"name": "row a", "aa_seq": "MKVL", "label": 0}


@pytest.mark.parametrize(
    ("problem", "labels", "written"),
    [
        (Problem.MULTI_LABEL, [(0, 1), (), (1,)], [[0, 1], [], [1]]),
        (Problem.REGRESSION, [0.1, -2.0, 3.5], [0.1, -2.0, 3.5]),
        (
            Problem.RESIDUE_SINGLE_LABEL,
            [np.array([0, -100, 1, 1]), np.array([1, 0, 0]), np.array([-100, 0])],
            [[0, None, 1, 1], [1, 0, 0], [None, 0]],
        ),
    ],
)
def test_labels_of_every_kind_in_a_file_for_each_split(
    store: Store, tmp_path: Path, problem: Problem, labels: list, written: list
) -> None:
    digests = store.task("t").splits["train"].digests
    splits = {
        "train": Split(("=1+1", "-5"), digests[:2], labels[:2]),
        "test_far": Split(("c",), digests[2:], labels[2:]),
    }
    classes = ("Tm",) if problem.is_regression else ("x", "y")
    task = Task("u", problem, classes, splits, ("mcc",), "mcc")
    for style in ("jsonl", "csv"):
        progress = Noting()
        out = tmp_path / style / "out"
        assert write_sesadapter(out, store, task, None, style=style, progress=progress) == 3
        assert sorted(path.name for path in out.iterdir()) == [
            f"test_far.{style}", f"train.{style}",
        ]  # fmt: skip
    lines = (tmp_path / "jsonl/out/train.jsonl").read_text().splitlines()
    lines += (tmp_path / "jsonl/out/test_far.jsonl").read_text().splitlines()
    assert [json.loads(line)["label"] for line in lines] == written
    assert [json.loads(line)["name"] for line in lines] == ["=1+1", "-5", "c"]
    with (tmp_path / "csv/out/train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [json.loads(row["label"]) for row in rows] == written[:2]
    assert [row["name"] for row in rows] == ["'=1+1", "-5"]  # no formula for a spreadsheet


@pytest.mark.parametrize("style", ["jsonl", "csv"])
def test_residues_without_a_label_are_none_when_they_are_added_again(
    store: Store, tmp_path: Path, style: str
) -> None:
    labels = [np.array([0, -100, 1, 1]), np.array([1, 0, -100]), np.array([-100, 0])]
    split = replace(store.task("t").splits["train"], labels=labels)
    splits = {"train": split, "valid": split, "test": split}
    task = Task("u", Problem.RESIDUE_SINGLE_LABEL, ("0", "1"), splits, ("mcc",), "mcc")
    write_sesadapter(tmp_path / "out", store, task, "nmr", style=style)
    back = load_own(tmp_path / "out", UserData(), "nmr").task
    assert (back.problem, back.classes) == (task.problem, task.classes)
    for name in splits:
        for label, before in zip(back.splits[name].labels, labels, strict=True):
            assert label.tolist() == before.tolist()


def test_another_style_or_folder_is_refused_before_anything_is_written(
    store: Store, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="style 'tsv' is none of jsonl, csv"):
        write_sesadapter(tmp_path / "out", store, store.task("t"), None, style="tsv")
    assert not (tmp_path / "out").exists()
    (tmp_path / "there").mkdir()
    with pytest.raises(FileExistsError):
        write_sesadapter(tmp_path / "there", store, store.task("t"), None)
