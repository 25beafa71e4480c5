"""Missing labels are counted, refused or left out, and never a class."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sesstore.datasets.load import LoadedTask, load_own
from sesstore.datasets.missing import is_missing, labelled_rows, missing_words
from sesstore.datasets.records import Record
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError
from sesstore.proteins import Protein
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


REGRESSION, SINGLE, STATES = (
    Problem.REGRESSION, Problem.SINGLE_LABEL, Problem.RESIDUE_SINGLE_LABEL,
)  # fmt: skip


def rows(labels: list[object], file: str = "a.csv", column: str | None = "y") -> list[Record]:
    """Rows of three residues from line 2 on."""
    return [
        Record(Protein(f"p{n}", "MKV"), label, {}, (), None, Path(file), n + 2, column=column)
        for n, label in enumerate(labels)
    ]


@pytest.mark.parametrize(
    ("labels", "problem", "words"),
    [
        ([None, float("nan"), "", " na ", "#N/A"], None, ["", "NaN", "", "na", "#N/A"]),
        ([[None, "NA"], [None, 1], [], 0, False], None, ["", None, None, None, None]),
        (["Na", "NA", "1"], SINGLE, [None, "NA", None]),
        (["?", "a", "\u2014", "."], None, ["?", None, "\u2014", "."]),
        (["-", "+/-", "+"], None, [None, None, None]),
        (["-", "--", "a"], None, ["-", "--", None]),
        ([">5", "1", " < = 3 ", "~2"], None, [">5", None, "< = 3", "~2"]),
        (["\u22655", "2"], None, ["\u22655", None]),
        ([">5", "1", "high"], None, [None, None, None]),  # names of bins
        ([">5", "high"], REGRESSION, [">5", None]),
        ([">5", "1", "-"], None, [">5", None, "-"]),
        ([">5", "<3"], None, [None, None]),
        ([">5", "<3"], REGRESSION, [">5", "<3"]),
        ([">5", "1"], SINGLE, [None, None]),
        ([">x", "1"], REGRESSION, [None, None]),
        (["NAN", "HHE"], STATES, [None, None]),
        (["NAN", "HHE"], None, [None, None]),
        (["NAN", "HH"], None, ["NAN", None]),
        ([[None, None, None], ["H", "E", "H"], "NA"], STATES, [None, None, "NA"]),
        (["---", "HHE"], STATES, [None, None]),
    ],
)
def test_what_stands_for_a_missing_label(
    labels: list[object], problem: Problem | None, words: list[str | None]
) -> None:
    assert missing_words(rows(labels), problem) == words


def test_a_value_by_itself() -> None:
    missing = ["", None, float("nan"), "N.D.", "1.#QNAN", "not measured", ["NA", None]]
    assert [is_missing(value) for value in missing] == [True] * len(missing)
    present = ["Na", "-", 0, 0.0, False, [], "no", ["NA", 1]]
    assert [is_missing(value) for value in present] == [False] * len(present)


def test_where_labels_are_missing_is_said_of_the_first_file() -> None:
    train = rows([*["NA"] * 9, "1", "2"])
    test = rows(["NA", "3"], "b.csv")
    with pytest.raises(InputError) as refused:
        labelled_rows({"train": train, "test": test}, None, drop=False)
    assert str(refused.value) == (
        "a.csv, column y, lines 2, 3, 4, 5, 6, 7, 8, 9, ...: 10 of 13 rows have no label (NA: 10). "
        "Give each one, or leave such rows out with --drop-unlabelled"
    )
    with pytest.raises(InputError, match=r"^b\.csv, line 2: 1 of 2 rows has no label"):
        labelled_rows({"test": rows(["NA", "3"], "b.csv", None)}, None, drop=False)
    with pytest.raises(InputError, match=r"lines 2, 3, 4, 5, 6, 7, 8, 9: 8 of 9 rows"):
        labelled_rows({"test": rows([*["NA"] * 8, "3"])}, None, drop=False)
    shuffled = {"test": [train[3], train[0], *test[1:]]}
    with pytest.raises(InputError, match=r"lines 2, 5: 2 of 3"):
        labelled_rows(shuffled, None, drop=False)


def test_rows_that_are_left_out_leave_the_others_in_their_order() -> None:
    split = {"train": rows(["1", "NA", "2"]), "valid": rows([None]), "test": rows(["3", "NA"])}
    labelled, notes = labelled_rows(split, None, drop=True)
    assert {name: [r.label for r in part] for name, part in labelled.items()} == {
        "train": ["1", "2"], "test": ["3"],
    }  # fmt: skip
    assert notes == ["3 of 6 rows have no label (NA: 2, empty: 1): left out, as asked"]
    whole = {"train": rows(["1", "2"])}
    assert labelled_rows(whole, None, drop=True) == (whole, [])


def test_the_commonest_words_come_first_and_eight_at_most() -> None:
    words = ["NA", "nan", "null", "n/a", "none", "nil", "nd", "n.d.", "missing", "nat"]
    labels = [word for often, word in enumerate(words, 1) for _ in range(often)]
    _, (note,) = labelled_rows({"train": rows([*labels, "1"])}, None, drop=True)
    told = ", ".join(f"{word}: {10 - n}" for n, word in enumerate(words[:1:-1]))
    assert f"55 of 56 rows have no label ({told})" in note
