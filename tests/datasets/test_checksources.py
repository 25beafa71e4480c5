"""Where two structure sources of one data set disagree."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets.checksources import check_agreement, check_coverage, differing_names
from sesstore.datasets.diagnosis import data_set, examine
from sesstore.datasets.findings import rows_of
from sesstore.datasets.load import load_own, load_task
from sesstore.datasets.recipes import recipe
from sesstore.datasets.user_data import UserData
from sesstore.tasks import Problem, Split, Task

from .conftest import FEW, counts, healthy_rows, lines, write


def test_sequences_that_differ_between_sources(shared_data: Path, tmp_path: Path) -> None:
    """Of a published set: AlphaFold2's and ESMFold's files, all names that differ and some more."""
    rows = {
        source: {row["name"]: row for row in lines(shared_data / "deeploc_binary" / source)}
        for source in ("alphafold2", "esmfold")
    }
    one, other = rows.values()
    differing = [name for name in one if one[name]["aa_seq"] != other[name]["aa_seq"]]
    chosen = dict.fromkeys([*differing, *list(one)[::20]])
    tasks = {}
    for source, by_name in rows.items():
        folder = write(tmp_path / source, [by_name[name] for name in chosen])
        tasks[source] = load_task(recipe("deeploc_binary"), folder, source).task
    (finding,) = (f for f in check_agreement(tasks) if f.what == "sequence_differs_between_sources")
    assert finding.count == len(differing) == 32
    assert set(finding.examples) <= set(differing)
    assert differing_names(list(tasks.values())) == set(differing)


def test_tokens_that_follow_the_class(tmp_path: Path) -> None:
    rows = healthy_rows()
    for row in rows:
        if row["label"] == "yes":
            row["ss8_seq"] = "H" * 80
    loaded = load_own(write(tmp_path / "d", rows), UserData(), "pdb")
    found = examine([data_set("d", loaded)])
    assert counts(found) == {"uneven_tokens_by_class": 100, "without_tokens": 10, **FEW}
    assert found.findings[0].examples == ("no: 0%", "yes: 100%")
    assert not found.healthy
    assert found.splits[0]["tokens"] == {"pdb": {"proteins": 0.5, "residues": 0.5}}


def task_of(problem: Problem, labels: list, splits: dict[str, list[int]], salt: str = "") -> Task:
    """Rows r0, r1, ... of proteins of their own, by their numbers in splits."""
    digests = {
        n: np.frombuffer(sha256(f"{n}{salt}".encode()).digest(), np.uint8)
        for n in range(len(labels))
    }
    made = {
        name: Split(
            tuple(f"r{n}" for n in numbers),
            np.stack([digests[n] for n in numbers]),
            [labels[n] for n in numbers],
        )
        for name, numbers in splits.items()
    }
    return Task("toy", problem, ("no", "yes"), made, ("mcc",), "mcc")


def known(task: Task, numbers: list[int]) -> dict[bytes, float]:
    rows = {row.id: row.digest for row in rows_of(task)}
    return {rows[f"r{n}"]: 1.0 for n in numbers}


@pytest.mark.parametrize(("of_test", "told"), [(39, None), (36, 10)])
def test_tokens_that_follow_the_split(of_test: int, told: int | None) -> None:
    """More than five in a hundred apart; of values there are no classes to follow."""
    splits = {"train": list(range(40)), "test": list(range(40, 80))}
    task = task_of(Problem.REGRESSION, [float(n) for n in range(80)], splits)
    lacking, *uneven = check_coverage(task, {"pdb": known(task, list(range(40 + of_test)))})
    assert (lacking.count, lacking.biases) == (40 - of_test, False)
    assert lacking.examples == tuple(f"r{n}" for n in range(40 + of_test, 80))[:5]
    if told is None:
        assert uneven == []
        return
    (finding,) = uneven
    assert (finding.what, finding.count, finding.biases) == ("uneven_tokens_by_split", told, True)
    assert finding.examples == ("train: 100%", "test: 90%")
    assert finding.title == "percent between splits in tokens from pdb"
    assert finding.why == "training and testing meet different inputs"


def test_tokens_of_none_or_of_all_are_even() -> None:
    task = task_of(Problem.SINGLE_LABEL, [0, 1], {"train": [0], "test": [1]})
    assert check_coverage(task, {"pdb": {}, "af2": known(task, [0, 1])}) == []
    by_class = check_coverage(task, {"pdb": known(task, [0])})
    assert [f.what for f in by_class[1:]] == ["uneven_tokens_by_split", "uneven_tokens_by_class"]
    assert by_class[2].why == "whether there is a structure tells the answer"


def test_what_differs_between_two_sources() -> None:
    splits = {"train": [0, 1, 2, 3], "test": [4, 5]}
    one = task_of(Problem.SINGLE_LABEL, [0, 1, 0, 1, 0, 1], splits)
    other = task_of(Problem.SINGLE_LABEL, [1, 1, 0, 1, 0, 1], {"train": [0, 1, 4], "test": [5]})
    salted = task_of(Problem.SINGLE_LABEL, [0, 1, 0, 1, 0, 1], splits, "x")
    found = {f.what: f for f in check_agreement({"a": one, "b": other})}
    assert {what: (f.count, f.examples) for what, f in found.items()} == {
        "label_differs_between_sources": (2, ("r0", "r4")),
        "in_one_source_only": (2, ("r2", "r3")),
    }
    assert found["in_one_source_only"].title == "names that only one of a and b has"
    swapped = {f.what: f.examples for f in check_agreement({"b": other, "a": one})}
    assert swapped["in_one_source_only"] == ("r2", "r3")
    assert differing_names([one, other]) == set()
    (differs,) = check_agreement({"a": one, "b": salted})
    assert (differs.what, differs.count) == ("sequence_differs_between_sources", 6)
    assert differing_names([one, other, salted]) == {f"r{n}" for n in range(6)}
    assert check_agreement({"a": one}) == []
