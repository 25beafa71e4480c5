"""What stands on a page is the number that it is said to be: split, seed, bound and column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sesstore.reports.charts import NAMES
from sesstore.reports.comparison import write_comparison
from sesstore.reports.error_groups import by_confidence, by_length
from sesstore.tasks import Problem
from sesstore.training.pairs import compare

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
