"""A cleaned copy has none of what was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.datasets.cleaning import clean, write_clean, written_label
from sesstore.datasets.diagnosis import DataSet, data_set, examine
from sesstore.datasets.labels import LabelReader
from sesstore.datasets.load import load_own
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.tasks import IGNORED, Problem, Split, Task

from .conftest import counts, healthy_rows, sequence, write


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
    assert [c["name"] for c in changes if c["done"].endswith("repeats a row")] == ["again"]
    again = load_own(tmp_path / "clean", UserData())
    assert again.task.classes == loaded.task.classes
    assert examine([data_set("clean", again)]).healthy
    with pytest.raises(InputError, match="is there already"):
        write_clean(tmp_path / "clean", [ill], [{}])


SEQUENCES = {name: sequence() for name in "abcdefgh"}


def examined(
    name: str, splits: dict[str, list[tuple[str, str, Any]]],
    problem: Problem = Problem.SINGLE_LABEL, classes: tuple[str, ...] = ("no", "yes"),
) -> DataSet:  # fmt: skip
    """Rows as name, key of `SEQUENCES` (or a sequence), label."""
    texts = {key: SEQUENCES.get(key, key) for rows in splits.values() for _, key, _ in rows}
    proteins = {key: Protein("x", text) for key, text in texts.items()}
    made = {
        split: Split(
            tuple(row[0] for row in rows),
            np.stack([np.frombuffer(proteins[row[1]].digest, np.uint8) for row in rows]),
            [row[2] for row in rows],
        )
        for split, rows in splits.items()
    }
    task = Task("toy", problem, classes, made, ("mcc",), "mcc")
    return DataSet(name, task, {p.digest: p.sequence for p in proteins.values()})


def test_what_stays_and_why_the_rest_goes() -> None:
    """A leak stays in the last split, of repeats the first row, of a contradiction nothing."""
    data = examined("one", {
        "train": [("a1", "a", 0), ("a2", "a", 0), ("b1", "b", 0), ("c1", "c", 1), ("d1", "d", 1)],
        "valid": [("c2", "c", 1), ("b2", "b", 1), ("e1", "e", 0)],
        "test": [("c3", "c", 1), ("c4", "c", 1), ("f1", "f", 0)],
        "test_far": [("c5", "c", 1)],
    })  # fmt: skip
    ((rows, changes),) = clean([data])
    assert [(row.split, row.id) for row in rows] == [
        ("train", "a1"), ("train", "d1"), ("valid", "e1"), ("test", "c3"), ("test", "f1"),
        ("test_far", "c5"),
    ]  # fmt: skip
    assert [(change.split, change.name, change.done) for change in changes] == [
        ("train", "b1", "dropped: its sequence has differing labels"),
        ("valid", "b2", "dropped: its sequence has differing labels"),
        ("train", "c1", "dropped: its sequence is in a later split, too"),
        ("valid", "c2", "dropped: its sequence is in a later split, too"),
        ("train", "a2", "dropped: repeats a row"),
        ("test", "c4", "dropped: repeats a row"),
    ]


def test_names_of_several_sequences_are_numbered_past_those_there_are() -> None:
    rows = [("p", "a", 0), ("p~2", "b", 0), ("p", "c", 0), ("p", "d", 0), ("q", "e", 0)]
    ((kept, changes),) = clean([examined("one", {"train": rows})])
    assert [row.id for row in kept] == ["p", "p~2", "p~3", "p~4", "q"]
    assert [(change.name, change.done) for change in changes] == [
        ("p", "named p~3"), ("p", "named p~4"),
    ]  # fmt: skip
    later = [("p", "a", 0), ("p", "b", 0), ("p~2", "c", 0)]  # its name is taken by a later row
    ((kept, _),) = clean([examined("one", {"train": later})])
    assert [row.id for row in kept] == ["p", "p~3", "p~2"]


def test_what_differs_between_sources_goes_from_each(tmp_path: Path) -> None:
    one = examined("af2", {"train": [("x", "a", 0), ("y", "b", 1)], "test": [("z", "c", 0)]})
    other = examined("esm", {"train": [("x", "a", 0), ("y", "d", 1)], "test": [("z", "c", 0)]})
    codes = StructureTokens(
        Protein("x", SEQUENCES["a"]).digest, "af2",
        {"foldseek": FOLDSEEK.encode("D" * 80), "dssp": DSSP.encode("H" * 80)},
    )  # fmt: skip
    done = write_clean(tmp_path / "out", [one, other], [{codes.digest: codes}, {}])
    assert done["esm"] == {
        "folder": str(tmp_path / "out" / "esm"),
        "rows": {"train": 1, "test": 1},
        "changes": {"dropped: its sequence differs between sources": 1},
    }
    written = {
        source: [json.loads(line) for line in (tmp_path / "out" / source / "train.jsonl").open()]
        for source in ("af2", "esm")
    }
    plain = {"name": "x", "aa_seq": SEQUENCES["a"], "label": "no"}
    assert written["esm"] == [plain]
    assert written["af2"] == [{**plain, "foldseek_seq": "D" * 80, "ss8_seq": "H" * 80}]


def test_nothing_is_written_where_no_train_row_would_be_left(tmp_path: Path) -> None:
    good = examined("good", {"train": [("x", "a", 0)], "test": [("z", "c", 0)]})
    bad = examined("bad", {"train": [("z", "c", 0)], "test": [("z", "c", 0)]})
    with pytest.raises(InputError, match="no train row of bad would be left: nothing is written"):
        write_clean(tmp_path / "out", [good, bad], [{}, {}])
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file' is there already"):
        write_clean(tmp_path / "file", [good], [{}])
    (tmp_path / "empty").mkdir()
    assert write_clean(tmp_path / "empty", [good], [{}])["good"]["changes"] == {}
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == [
        "changes.jsonl", "test.jsonl", "train.jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "label", "written"),
    [
        (Problem.SINGLE_LABEL, 1, "yes"),
        (Problem.MULTI_LABEL, (0, 1), ["no", "yes"]),
        (Problem.MULTI_LABEL, (), []),
        (Problem.REGRESSION, 0.1, 0.1),
        (Problem.RESIDUE_SINGLE_LABEL, np.array([1, IGNORED, 0]), ["yes", None, "no"]),
        (Problem.RESIDUE_REGRESSION, np.array([0.5, np.nan], np.float32), [0.5, None]),
    ],
)
def test_a_label_is_written_as_it_is_read(problem: Problem, label: Any, written: Any) -> None:
    classes = ("Tm",) if problem.is_regression else ("no", "yes")
    task = Task("toy", problem, classes, {}, ("mcc",), "mcc")
    assert written_label(label, task) == written
    back = LabelReader(problem, classes).read(written, np.size(label))
    np.testing.assert_array_equal(back, label)
