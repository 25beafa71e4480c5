"""The kind of task that labels are of is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.datasets.load import load_own
from sesstore.datasets.user_data import UserData
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
