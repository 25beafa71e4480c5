"""Missing labels are counted, refused or left out, and never a class."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sesstore.datasets.load import LoadedTask, load_own
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError
from sesstore.tasks import Problem

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
DROP = UserData(drop_unlabelled=True)
WORDS = ["NA", "NaN", "nan", "None", "NULL", "null", "#N/A", "n.d.", "N/A", "", "  ", "<NA>", "-"]


def loaded(folder: Path, labels: list[object], own: UserData) -> LoadedTask:
    """Read rows in three splits; each sequence is of one letter."""
    splits = ["train"] * 4 + ["valid", "test"]
    rows = [
        {"id": f"p{n}", "seq": LETTERS[n] * 3, "y": label, "split": splits[n % 6]}
        for n, label in enumerate(labels)
    ]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_own(folder / "a.jsonl", own)


@pytest.mark.parametrize("word", [*WORDS, None, float("nan")])
@pytest.mark.parametrize("values", [["a", "b"] * 6, [0, 1] * 6, [0.5 * n for n in range(12)]])
def test_a_missing_label_is_never_a_class(
    tmp_path: Path, word: object, values: list[object]
) -> None:
    labels = [*values[:3], word, *values[4:7], word, *values[8:]]
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, labels, UserData())
    assert "a.jsonl, column y, lines 4, 8: 2 of 12 rows have no label" in str(refused.value)
    assert "--drop-unlabelled" in str(refused.value)
    read = loaded(tmp_path, labels, DROP)
    assert sum(map(len, read.task.splits.values())) == 10
    assert not {"p3", "p7"} & {i for split in read.task.splits.values() for i in split.ids}
    assert read.task.classes in (("a", "b"), ("0", "1"), ("y",))
    (note,) = [note for note in read.task.notes if "no label" in note]
    assert "2 of 12 rows have no label" in note


def test_beyond_a_limit_is_no_number(tmp_path: Path) -> None:
    labels: list[object] = ["1.5", ">100", "2.5", "< 0.1", "3.5", "4.5"] * 2
    with pytest.raises(InputError, match=r"4 of 12 rows have no label \(>100: 2, < 0.1: 2\)"):
        loaded(tmp_path, labels, UserData())
    read = loaded(tmp_path, labels, DROP)
    assert read.task.problem is Problem.REGRESSION
    assert {len(split) for split in read.task.splits.values()} == {4, 2}


@pytest.mark.parametrize("classes", [["<10", ">100", "10-100"], ["-", "+", "+"], ["Na", "K", "Mg"]])
def test_bins_signs_and_sodium_are_classes(tmp_path: Path, classes: list[object]) -> None:
    assert set(loaded(tmp_path, classes * 4, UserData()).task.classes) == set(classes)


def test_lists(tmp_path: Path) -> None:
    labels: list[object] = ["GO:1;GO:2", "GO:2", "[]", "NA", "", "GO:1;NA"] * 2
    with pytest.raises(InputError, match=r"4 of 12 rows have no label \(NA: 2, empty: 2\)"):
        loaded(tmp_path, labels, UserData())
    lists: list[object] = [[1, 2], [2], [], ["NA"], [1], [1, None]] * 2
    with pytest.raises(InputError, match=r"2 of 12 rows have no label \(NA: 2\)"):
        loaded(tmp_path, lists, UserData())
    task = loaded(tmp_path, lists, DROP).task
    assert task.classes == ("1", "2")
    assert task.splits["train"].labels[2] == ()


def test_residues_without_a_label_stay_and_names_of_states_count(tmp_path: Path) -> None:
    labels: list[object] = [["H", None, "E"], ["H", "NA", "E"], "NAN", "HHE"] * 3
    task = loaded(tmp_path, labels, UserData(task_type="residue_single_label")).task
    assert task.classes == ("A", "E", "H", "N")
    assert task.splits["train"].labels[0].tolist() == [2, -100, 1]
    assert task.splits["train"].labels[1].tolist() == [2, -100, 1]
    values: list[object] = ["0.5;nan;0.25", "1;;2", "1;NA;2"] * 4
    task = loaded(tmp_path, values, UserData()).task
    assert task.problem is Problem.RESIDUE_REGRESSION
    assert str(task.splits["train"].labels[0].tolist()) == "[0.5, nan, 0.25]"
    with pytest.raises(InputError, match="2 of 12 rows have no label"):
        loaded(tmp_path, ["NA", "HHE", "HEE", "HEH", "HHH", "EEE"] * 2,
               UserData(task_type="single_label"))  # fmt: skip


def test_no_label_at_all_is_another_error(tmp_path: Path) -> None:
    for own in (UserData(), DROP):
        with pytest.raises(InputError, match=r"none of the 6 rows has a label \(NA: 6\)"):
            loaded(tmp_path, ["NA"] * 6, own)


def test_classes_with_words_of_pandas_in_ids_and_sequences(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "name,sequence,label,split\nNA,NA,1,train\nnan,NAN,0,train\nNone,INF,1,valid\n"
        "0012,NLL,0,test\n1e10,FALSE,1,test\n"
    )
    read = load_own(tmp_path / "a.csv", UserData())
    assert [protein.id for protein in read.proteins] == ["NA", "nan", "None", "0012", "1e10"]
    assert [p.sequence for p in read.proteins] == ["NA", "NAN", "INF", "NLL", "FALSE"]
