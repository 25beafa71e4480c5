"""Tables and charts of classes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sesstore.reports.classes import (
    class_bars,
    confused_pairs,
    confusion_chart,
    describe_omissions,
    shown_classes,
)
from sesstore.reports.run import _class_table, _which_curves, write_report
from sesstore.tasks import Problem
from sesstore.training.intervals import Predicted
from sesstore.training.perclass import ClassScore

from .conftest import rows_of


def test_the_table_of_classes_counts_a_seed_and_the_matrix_all(
    findings, report_of, tables, charts
) -> None:
    found, page = findings(seeds=2), report_of(Problem.SINGLE_LABEL)[0]
    table = next(t for t in tables(page) if t[0].keys() >= {"class", "recall"})
    assert sum(int(row["true"]) for row in table) == 40
    assert [int(row["true"]) for row in table] == sorted(
        (int(row["true"]) for row in table), reverse=True
    )
    by_name = {c.name: c for c in found.classes}
    for row in table:
        each = by_name[row["class"]]
        assert (int(row["true"]), int(row["predicted"])) == (each.true // 2, round(each.said / 2))
        assert row["precision"] == f"{each.right / each.said:.4f}"
        assert row["recall"] == f"{each.right / each.true:.4f}"
        assert row["F1"] == f"{each.f1:.4f}"
        assert row["AUPRC"] == f"{each.auprc:.4f}"
    cells = next(c["rows"] for c in charts(page) if c["rows"] and "share" in c["rows"][0])
    assert sum(cell["count"] for cell in cells) == 80
    names = [c.name for c in found.classes]
    for cell in cells:
        i, j = names.index(cell["true"]), names.index(cell["predicted"])
        assert cell["count"] == found.confusion[i, j]
        assert cell["share"] == pytest.approx(found.confusion[i, j] / found.confusion[i].sum())


def test_a_thousand_classes_are_shown_in_part_and_it_is_said(
    findings, tmp_path, parsed, undrawn
) -> None:
    found = findings(seeds=1)
    names = [f"fold {k}" for k in range(1000)]
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(40), 3))
    said = labels.copy()
    said[labels == 7] = 900
    said[np.flatnonzero(labels == 3)[:2]] = 5
    matrix = np.zeros((1000, 1000), np.int64)
    np.add.at(matrix, (labels, said), 1)
    scores = torch.nn.functional.one_hot(torch.from_numpy(said), 1000).double()
    classes = tuple(
        ClassScore(n, int(matrix[k].sum()), int(matrix[:, k].sum()), int(matrix[k, k]), 0.5)
        for k, n in enumerate(names)
    )
    task = {**found.run.task, "classes": names}
    predicted = (Predicted(scores, torch.from_numpy(labels), torch.arange(120)),)
    many = replace(
        found, classes=classes, confusion=matrix, predicted=predicted, rows=None, tracks=(),
        runs=(replace(found.run, task=task),),
    )  # fmt: skip
    assert confused_pairs(many) == [
        ("fold 7", "fold 900", 3, 1.0), ("fold 3", "fold 5", 2, 2 / 3),
    ]  # fmt: skip
    assert len(shown_classes(many)) == 25
    text = " ".join(parsed(write_report(many, tmp_path)[0].read_text())[1].split())
    assert "25 most frequent of 41 classes that are true or predicted" in text
    assert "959 of 1,000 classes are neither" in text
    assert "fold 7 fold 900 3 100.0%" in text


def test_bars_and_confusions_stand_at_their_values(findings) -> None:
    pytest.importorskip("altair")
    found = findings()
    rows = rows_of(class_bars(found).to_dict())
    for k in shown_classes(found):
        score = found.classes[k]
        name = f"{score.name} (n = {score.true // 2})"
        values = {row["of"]: row["value"] for row in rows if row["class"] == name and "of" in row}
        assert values == {"precision": score.precision, "recall": score.recall}
        assert [row["F1"] for row in rows if row["class"] == name and "F1" in row] == [score.f1]
    spec = confusion_chart(found).to_dict()
    filters = [layer["transform"][0]["filter"] for layer in spec["layer"] if "transform" in layer]
    assert filters == ["datum.share <= 0.5", "datum.share > 0.5"]
    assert spec["height"] == 44 * 3


@pytest.mark.parametrize(("occur", "never", "text"), [
    (25, 0, ""),
    (26, 0, " The 25 most frequent of 26 classes that are true or predicted."),
    (25, 1, " 1 of 26 classes are neither."),
])  # fmt: skip
def test_what_a_chart_leaves_out_is_said(findings, occur: int, never: int, text: str) -> None:
    seen = [ClassScore(f"c{n}", n % 2, 1 - n % 2, 0, 0.5) for n in range(occur)]
    found = replace(findings(), classes=(*seen, *[ClassScore("x", 0, 0, 0, 0.5)] * never))
    assert describe_omissions(found) == text
    assert len(shown_classes(found)) == 25


def test_the_pairs_confused_most_are_twenty(findings) -> None:
    found = findings()
    count = 30
    matrix = np.diag(np.full(count, 100))
    for k in range(count - 1):
        matrix[k, k + 1] = k
    classes = tuple(ClassScore(f"c{n}", 1, 1, 1, 0.5) for n in range(count))
    pairs = confused_pairs(replace(found, confusion=matrix, classes=classes))
    assert len(pairs) == 20
    assert pairs[0] == ("c28", "c29", 28, 28 / 128)
    matrix[:, :] = np.diag(np.full(count, 100))
    matrix[3, 4] = 1
    assert confused_pairs(replace(found, confusion=matrix, classes=classes)) == [
        ("c3", "c4", 1, 1 / 101)
    ]


def test_classes_stand_by_how_often_they_are_true_then_predicted(findings) -> None:
    counts = {"a": (2, 9), "b": (6, 1), "c": (2, 12), "never": (0, 0), "said": (0, 2)}
    classes = tuple(
        ClassScore(name, true, said, min(true, said), 0.5) for name, (true, said) in counts.items()
    )
    found = replace(findings(), classes=classes, confusion=np.diag([2, 1, 2, 0, 0]))
    assert [classes[k].name for k in shown_classes(found)] == ["b", "c", "a", "said"]
    rows = rows_of(class_bars(found).to_dict())
    names = ["b (n = 3)", "c (n = 1)", "a (n = 1)", "said (n = 0)"]  # of two seeds the mean
    assert [row["class"] for row in rows if "F1" in row] == names
    assert [row["F1"] for row in rows if "F1" in row][-1] == 0
    assert [row["of"] for row in rows if row["class"] == names[3] and "of" in row] == ["precision"]
    spec = confusion_chart(found).to_dict()
    assert spec["layer"][0]["encoding"]["x"]["sort"] == ["a", "b", "c", "said"]  # as in the task
    cells = {(row["true"], row["predicted"]): row["share"] for row in rows_of(spec)}
    assert (cells["a", "a"], cells["said", "said"]) == (1.0, 0.0)


def test_the_table_of_classes_says_how_many_it_leaves_out(findings) -> None:
    seen = [ClassScore(f"c{n}", 300 - n, 10 + n, 5, 0.5) for n in range(120)]
    classes = (*seen[::-1], *[ClassScore("x", 0, 0, 0, 0.5)] * 30)
    written = []
    page = SimpleNamespace(heading=lambda _: None, table=lambda *table: written.append(table))
    _class_table(page, replace(findings(), classes=classes))
    ((_, rows, note),) = written
    assert [row[:3] for row in rows] == [
        [f"c{n}", (300 - n) // 2, round((10 + n) / 2)] for n in range(100)
    ]
    assert note == (
        "Counts of true and predicted are the mean over seeds. 50 of 150 classes are not shown, "
        "30 of which are neither true nor predicted."
    )


def test_which_classes_have_curves_is_said(findings) -> None:
    found = findings()
    assert _which_curves(found, [1]) == "soluble against the rest"
    assert _which_curves(found, [0, 1, 2]) == "3 classes, each against the rest"
    nine = replace(found, classes=found.classes * 3)
    words = "the 6 most frequent of 9 classes, each against the rest"
    assert _which_curves(nine, [0, 1, 2, 3, 4, 5]) == words
