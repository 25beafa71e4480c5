"""Columns of a map: labels of every problem, and tables joined by id."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.errors import InputError
from sesstore.exchange.protein_maps import is_numeric
from sesstore.jobs.predicting.map_columns import table_columns, task_columns
from sesstore.proteins import Protein
from sesstore.store.digest_index import as_rows
from sesstore.tasks import Problem, Split, Task


@pytest.mark.parametrize(
    ("problem", "classes", "labels", "expected"),
    [
        (Problem.REGRESSION, ("y",), [0.5, 2.0], [0.5, 2.0]),
        (Problem.MULTI_LABEL, ("a", "b", "c"), [(0, 2), ()], ["a; c", None]),
        (Problem.RESIDUE_SINGLE_LABEL, ("a", "b"), [[0] * 5, [1] * 5], None),
    ],
)
def test_labels_of_every_problem(problem, classes, labels, expected) -> None:
    digests = as_rows(Protein.parse("x", letter * 5).digest for letter in "AC")
    metric = {Problem.REGRESSION: "spearman", Problem.MULTI_LABEL: "f1max"}.get(problem, "accuracy")
    task = Task(
        "t", problem, classes, {"train": Split(("x", "y"), digests, labels)}, (metric,), metric
    )
    assert task_columns(task, digests).get("t") == expected


def test_a_table_is_joined_by_id(tmp_path: Path) -> None:
    path = tmp_path / "found.csv"
    path.write_text(
        "note,id,score,flag\nfirst,b,1.5,1e3\n,a,,2\nlast,elsewhere,9,9\nsecond,b,2.5,4\n"
    )
    columns, unmatched = table_columns(path, ["a", "b", "c"])
    assert columns == {
        "note": [None, "second", None],
        "score": [None, 2.5, None],
        "flag": [2.0, 4.0, None],
    }
    assert unmatched == 1
    assert is_numeric(columns["score"])
    assert not is_numeric(columns["note"])
    path.write_text("name,value\na,nan\n")
    assert table_columns(path, ["a"])[0] == {"value": ["nan"]}
    path.write_text("value,UniProt ID\n3,a\n")
    assert table_columns(path, ["a"])[0] == {"value": [3.0]}


def test_a_table_of_others_and_one_of_ids_alone_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "found.csv"
    path.write_text("id,score\nx,1\n")
    with pytest.raises(InputError, match=r"no row of a protein of the map by its column 'id'.*'a'"):
        table_columns(path, ["a"])
    path.write_text("id,name\na,b\n")
    columns, _ = table_columns(path, ["a", "b"])
    assert columns == {"name": ["b", None]}
    path.write_text('{"id": "a"}\n')
    with pytest.raises(InputError, match="ids and nothing else"):
        table_columns(path.rename(tmp_path / "found.jsonl"), ["a"])
