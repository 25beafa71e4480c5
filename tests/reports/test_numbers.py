"""What stands on a page is the number that it is said to be: split, seed, bound and column."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.reports.charts import NAMES
from sesstore.reports.comparison import _differences, write_comparison
from sesstore.reports.error_groups import by_confidence, by_length
from sesstore.reports.tracks import _label_and_prediction
from sesstore.tasks import Problem
from sesstore.training.pairs import adjusted, compare

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


def test_each_column_of_the_data_and_each_seed(findings, report_of, tables) -> None:
    page = report_of(Problem.SINGLE_LABEL)[0]
    shown = tables(page)
    data = next(t for t in shown if "with structure" in t[0])
    assert data[0] == {
        "split": "train", "proteins": "90", "residues": "900", "with structure": "89",
        "foldseek unmasked": "90.0%", "dssp unmasked": "90.0%",
    }  # fmt: skip
    assert [row["split"] for row in data] == ["train", "valid", "test"]
    settings = {row["setting"]: row["value"] for t in shown if "setting" in t[0] for row in t}
    assert settings["seed"] == "0, 1"
    times = {row["what"]: row["value"] for t in shown if "what" in t[0] for row in t}
    assert (times["total"], times["seconds per epoch"]) == ("3.000", "1.000")
    html = page.read_text()
    assert "<dt>kept epoch</dt><dd>2, 2</dd>" in html
    assert "<dt>test proteins</dt><dd>40</dd>" in html


def test_p_and_q_of_several_differences_are_under_their_heads(findings) -> None:
    first = findings(name="first")
    rivals = [
        replace(first, name=f"rival {by}", predicted=tuple(
            replace(run, scores=run.scores.roll(1, dims=1) if seed < by else run.scores)
            for seed, run in enumerate(first.predicted)
        ))
        for by in (1, 2)
    ]  # fmt: skip
    given = []
    page = SimpleNamespace(
        section=lambda *_: None, note=lambda *_: None, table=lambda *table: given.append(table)
    )
    _differences(page, [first, *rivals])
    ((heads, rows, _),) = given
    shown = [dict(zip(heads, row, strict=True)) for row in rows]
    right = adjusted([
        compare(first.monitor, first.problem, (r.name, r.predicted), ("first", first.predicted))
        for r in rivals
    ])  # fmt: skip
    assert [(row["training"], row["p"], row["q"]) for row in shown] == [
        (c.one, c.p, c.q) for c in right
    ]
    assert any(c.p != c.q for c in right)


def test_what_is_true_and_what_is_predicted_of_a_protein(findings) -> None:
    names = ["membrane", "soluble", "<other>"]
    found = findings()
    hits = found.predicted[0].scores.argmax(1) == found.predicted[0].labels
    for row in (int(hits.int().argmax()), int(hits.int().argmin())):  # a right one and a wrong one
        scores = found.predicted[0].scores[row]
        top = int(scores.argmax())
        assert _label_and_prediction(found, row) == (
            names[int(found.predicted[0].labels[row])], f"{names[top]} (p {float(scores[top]):.2f})"
        )  # fmt: skip
    values = findings(Problem.REGRESSION)
    one = values.predicted[0]
    assert _label_and_prediction(values, 3) == (
        f"{float(one.labels[3]):.4g}", f"{float(one.scores[3]):.4g}"
    )  # fmt: skip
    several = findings(Problem.MULTI_LABEL)
    one = several.predicted[0]
    row = int(one.labels.sum(1).argmax())
    true = np.flatnonzero(one.labels[row].numpy())
    label, prediction = _label_and_prediction(several, row)
    assert label == ", ".join(f"EC {k}" for k in true)
    best = np.argsort(-one.scores[row].numpy())[: len(true)]
    assert prediction == ", ".join(f"EC {k} (p {float(one.scores[row, k]):.2f})" for k in best)
    residues = findings(Problem.RESIDUE_SINGLE_LABEL)
    one = residues.predicted[0]
    wrong = (one.scores.argmax(1) != one.labels)[one.rows == 5].double().mean()
    assert _label_and_prediction(residues, 5) == (
        "10 labelled residues", f"share of residues wrong: {float(wrong):.3f}"
    )  # fmt: skip
