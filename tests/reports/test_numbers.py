"""What stands on a page is the number that it is said to be: split, seed, bound and column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.reports.charts import NAMES, curves, dots
from sesstore.reports.classes import confused_pairs, shown_classes
from sesstore.reports.comparison import write_comparison
from sesstore.reports.error_groups import by_confidence, by_length
from sesstore.reports.run import write_report
from sesstore.tasks import Problem
from sesstore.training.intervals import Predicted
from sesstore.training.pairs import compare
from sesstore.training.perclass import ClassScore

from .conftest import rows_of

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


def test_the_headline_is_of_test_with_its_bounds_in_order(findings, report_of, parsed) -> None:
    found = findings()
    text = " ".join(parsed(report_of(Problem.SINGLE_LABEL)[0].read_text())[1].split())
    low, high = found.intervals["accuracy"]
    assert low < high
    assert f"test accuracy {found.mean('accuracy'):.3f}" in text
    # The paragraph for papers has the interval as well, so the headline's own is looked at.
    html = report_of(Problem.SINGLE_LABEL)[0].read_text()
    assert f"<dt>95 % interval</dt><dd>{low:.3f} to {high:.3f}</dd>" in html
    assert f"<dt>test accuracy</dt><dd>{found.mean('accuracy'):.3f}</dd>" in html
    assert f"{found.mean('accuracy'):.3f}" != f"{found.mean('accuracy', 'valid'):.3f}"
    assert "time of an epoch (2 seeds together)" in text


@pytest.mark.parametrize("problem", Problem)
def test_each_column_of_scores(problem, findings, report_of, tables) -> None:
    found = findings(problem)
    scores = next(t for t in tables(report_of(problem)[0]) if "metric" in t[0])
    assert len(scores) == len(found.intervals)
    for row, (name, (low, high)) in zip(scores, found.intervals.items(), strict=True):
        assert row == {
            "metric": NAMES[name],
            "valid": f"{found.mean(name, 'valid'):.4f}",
            "test": f"{found.mean(name, 'test'):.4f}",
            "deviation over 2 seeds": f"{found.deviation(name, 'test'):.4f}",
            "95 % interval (test)": f"{low:.4f} to {high:.4f}",
        }


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
    cells = next(c["rows"] for c in charts(page) if c["rows"] and "share" in c["rows"][0])
    assert sum(cell["count"] for cell in cells) == 80
    names = [c.name for c in found.classes]
    for cell in cells:
        i, j = names.index(cell["true"]), names.index(cell["predicted"])
        assert cell["count"] == found.confusion[i, j]
        assert cell["share"] == pytest.approx(found.confusion[i, j] / found.confusion[i].sum())


def test_dots_and_lines_stand_at_their_values(findings) -> None:
    found = findings()
    points = {row["metric"]: row for row in rows_of(dots([found]).to_dict())}
    for name, (low, high) in found.intervals.items():
        point = points[NAMES[name]]
        assert (point["value"], point["low"], point["high"]) == (found.mean(name), low, high)
    for what, expected in (("loss", [1, 1 / 2, 1 / 3]), ("monitor", [0.6, 0.7, 0.8])):
        values = rows_of(curves([found], what).to_dict())
        seed = [row for row in values if row["seed"].endswith("seed 0")]
        assert [row["value"] for row in seed] == pytest.approx(expected)
        assert [row["epoch"] for row in seed if row["kept"]] == [2]


def test_rings_are_the_headline(findings, report_of, charts, parsed) -> None:
    found, page = findings(Problem.MULTI_LABEL), report_of(Problem.MULTI_LABEL)[0]
    curve = next(c for c in charts(page) if c["rows"] and "threshold" in c["rows"][0])
    for place, value in enumerate(found.values["test"]["f1max"]):
        of_seed = [row for row in curve["rows"] if row["seed"] == str(place)]
        assert max(row["F1"] for row in of_seed) == pytest.approx(value, abs=1e-9)
    label = next(x for x in curve["layer"] if x["mark"].get("text", "").startswith("F1max"))
    assert label["mark"]["text"] == f"F1max {found.mean('f1max'):.3f}"
    assert f"test F1max {found.mean('f1max'):.3f}" in " ".join(parsed(page.read_text())[1].split())


def test_rows_of_confidence_and_length_are_closed_on_one_side(findings) -> None:
    found = findings()
    plddt = np.array([49.99, 50, 69.99, 70, 89.99, 90, 100.0])
    rows = replace(
        found.rows, plddt=plddt, errors=np.arange(7.0), lengths=np.array([7, 1, 2, 3, 4, 5, 6]),
        ids=tuple("abcdefg"),
    )  # fmt: skip
    groups = by_confidence(replace(found, rows=rows))
    assert [(g.name, g.count, g.error) for g in groups] == [
        ("below 50", 1, 0.0), ("50 to 70", 2, 1.5), ("70 to 90", 2, 3.5), ("90 up", 2, 5.5),
    ]  # fmt: skip
    assert all(g.low <= g.error <= g.high for g in groups)
    assert groups[1].low == 1.0
    assert groups[1].high == 2.0
    lengths = by_length(replace(found, rows=rows))
    assert [g.name for g in lengths] == ["1 to 2", "3 to 4", "5 to 5", "6 to 6", "7 to 7"]
    assert [g.error for g in lengths] == [1.5, 3.5, 5.0, 6.0, 0.0]


def test_a_thousand_classes_are_shown_in_part_and_it_is_said(findings, tmp_path, parsed) -> None:
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


def test_comparisons_pair_proteins_and_cite_encoders(findings, tmp_path, tables, parsed) -> None:
    first, other = findings(name="first"), findings(name="other")
    shuffled = tuple(
        replace(run, scores=run.scores.roll(1, dims=1)) for run in reversed(other.predicted)
    )
    other = replace(other, predicted=shuffled, citations=("Encoder 2024",))
    page = write_comparison([first, other], tmp_path)[0]
    table = next(t for t in tables(page) if "better seeds" in t[0])
    right = compare(
        "accuracy", Problem.SINGLE_LABEL, ("other", shuffled), ("first", first.predicted),
        draws=1000,
    )  # fmt: skip
    (row,) = table
    assert row["training"] == "other"
    assert row["difference"] == f"{right.difference:.4f}"
    assert right.difference < -0.2
    assert row["95 % interval"] == f"{right.low:+.4f} to {right.high:+.4f}"
    assert row["better seeds"] == f"{right.better_seeds} of 2"
    assert "Encoder 2024" in parsed(page.read_text())[1]
    alone = write_comparison([first, findings(name="one", seeds=1)], tmp_path / "b")[0]
    assert "Train them with the same --seeds" in parsed(alone.read_text())[1]
