"""The kind of task that labels are of is guessed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sesstore.datasets.label_kinds import class_names, guess_problem
from sesstore.datasets.load import load_own
from sesstore.datasets.records import Record
from sesstore.datasets.user_data import UserData
from sesstore.errors import RecordError
from sesstore.proteins import Protein
from sesstore.tasks import Problem

from .conftest import labelled, sequences


@pytest.mark.parametrize(
    ("labels", "problem", "classes"),
    [
        ([0.5 * i for i in range(10)], Problem.REGRESSION, ("label",)),
        (["no", "yes"] * 5, Problem.SINGLE_LABEL, ("no", "yes")),
        ([10, "2.0"] * 5, Problem.SINGLE_LABEL, ("2", "10")),
        ([[1, 3], [], [2]] * 3 + [[1]], Problem.MULTI_LABEL, ("1", "2", "3")),
        (["GO:2;GO:1", "GO:1"] * 5, Problem.MULTI_LABEL, ("GO:1", "GO:2")),
        ([False, True] * 5, Problem.SINGLE_LABEL, ("False", "True")),
    ],
)
def test_the_kind_is_guessed_from_the_labels(
    tmp_path: Path, labels: list[object], problem: Problem, classes: tuple[str, ...]
) -> None:
    loaded = load_own(labelled(tmp_path / "mine.jsonl", labels), UserData())
    assert (loaded.task.name, loaded.task.problem) == ("mine", problem)
    assert loaded.task.classes == classes
    assert f"task type {problem} (guessed:" in loaded.notes[1]
    assert loaded.notes[0].startswith("columns of mine.jsonl: sequence = seq, label = label")


@pytest.mark.parametrize(
    ("kinds", "problem"), [(20, Problem.SINGLE_LABEL), (21, Problem.REGRESSION)]
)
def test_few_whole_numbers_are_classes_and_many_a_quantity(
    tmp_path: Path, kinds: int, problem: Problem
) -> None:
    rows = [f"{name},{number}" for number, name in enumerate(sequences(kinds))]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["sequence,label", *rows]) + "\n")
    assert load_own(path, UserData(split_by="random")).task.problem == problem


def records(labels: list[Any], sequence: str = "MKVLA") -> list[Record]:
    return [
        Record(Protein(f"p{n}", sequence), label, {}, (), None, Path("d.csv"), n)
        for n, label in enumerate(labels)
    ]


@pytest.mark.parametrize(
    ("labels", "sequence", "problem", "why"),
    [
        (["HHEEL", "LLLLL"], "MKVLA", Problem.RESIDUE_SINGLE_LABEL, "letter or class"),
        ([[1, 2, 3, 4, 5]], "MKVLA", Problem.RESIDUE_SINGLE_LABEL, "letter or class"),
        ([[1, 2, 3, 4, 5.5]], "MKVLA", Problem.RESIDUE_REGRESSION, "number for each residue"),
        ([[None, 2, 3, 4, 5.5]], "MKVLA", Problem.RESIDUE_REGRESSION, "number for each residue"),
        (["HHEEL", "LLLL"], "MKVLA", Problem.SINGLE_LABEL, "2 different words"),
        (["a", "b"], "M", Problem.SINGLE_LABEL, "2 different words"),
        (["0.5", "1.5"], "MKV", Problem.REGRESSION, "numbers with fractions"),
        (["0.5", "123"], "MKV", Problem.REGRESSION, "numbers with fractions"),
        (["H.E", "HHE"], "MKV", Problem.RESIDUE_SINGLE_LABEL, "letter or class"),
        ([[0.5, "H", 1, 2, 3]], "MKVLA", Problem.RESIDUE_SINGLE_LABEL, "letter or class"),
        (["1", "2", None, ""], "MK", Problem.SINGLE_LABEL, "2 different whole numbers"),
        ([[1, 2], [3]], "MKVLA", Problem.MULTI_LABEL, "lists"),
        (list(range(21)), "MKVLA", Problem.REGRESSION, "21 different whole numbers"),
    ],
)
def test_what_speaks_for_each_kind(labels, sequence, problem, why) -> None:
    guess = guess_problem(records(labels, sequence))
    assert guess.problem is problem
    assert why in guess.why


@pytest.mark.parametrize(
    ("kinds", "rows", "fits"), [(20, 20, True), (21, 21, False), (25, 50, True), (26, 51, False)]
)
def test_words_that_differ_in_most_rows_are_no_classes(kinds: int, rows: int, fits: bool) -> None:
    labelled_rows = records([f"word{n % kinds}" for n in range(rows)])
    if fits:
        assert guess_problem(labelled_rows).problem is Problem.SINGLE_LABEL
        return
    with pytest.raises(RecordError, match=f"differ in {kinds} of {rows} rows"):
        guess_problem(labelled_rows)


def test_classes_are_numbers_in_their_order_then_words() -> None:
    assert class_names(records(["b", 10, 9, "a", "", None]), Problem.SINGLE_LABEL) == (
        "9", "10", "a", "b",
    )  # fmt: skip
    residues = [replace(record, mask="110") for record in records(["HEL"], "MKV")]
    assert class_names(residues, Problem.RESIDUE_SINGLE_LABEL) == ("E", "H")
