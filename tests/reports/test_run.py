from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.reports import run
from sesstore.reports.comparison import write_comparison
from sesstore.reports.run import _errors, write_report
from sesstore.tasks import Problem
from sesstore.training.baseline_report import BaselineReport
from sesstore.training.runs import Caution

pytest.importorskip("altair")


pytest.importorskip("vl_convert")

CURVES = ("roc", "precision-recall")


FIGURES = {
    Problem.SINGLE_LABEL: {"confusion", "classes", "errors-truth", *CURVES},
    Problem.MULTI_LABEL: {"protein-centric", "classes", "errors-truth", *CURVES},
    Problem.REGRESSION: {"scatter", "errors-truth"},
    Problem.RESIDUE_SINGLE_LABEL: {"confusion", "classes", *CURVES},
    Problem.RESIDUE_REGRESSION: {"scatter"},
}


ALWAYS = {"metrics", "learning", "loss", "errors-length", "errors-confidence", "residues-P_1_"}


@pytest.mark.parametrize("problem", Problem)
def test_every_problem_has_its_report(problem, findings, report_of, parsed) -> None:
    found = findings(problem)
    page, *figures = report_of(problem)
    assert page.name == "report.html"
    assert {f.stem for f in figures if f.suffix == ".svg"} == ALWAYS | FIGURES[problem]
    assert all(f.with_suffix(".png").is_file() for f in figures)
    fetched, text = parsed(page.read_text())
    assert fetched == []
    assert "sesstore train toy --seeds 2" in text
    assert found.run.fingerprint.digest in text
    assert f"{found.mean(found.monitor):.4f}" in text
    assert "Someone 2020" in text


def test_without_a_store_there_is_a_report(findings, tmp_path, parsed, undrawn) -> None:
    bare = replace(findings(seeds=1), rows=None, tracks=(), track_title="")
    text = parsed(write_report(bare, tmp_path)[0].read_text())[1]
    assert "A note." in text
    assert "Where errors concentrate" not in text
    assert "Simple models" not in text


def test_simple_models_stand_beside_the_scores(findings, tmp_path, tables, undrawn) -> None:
    nan = float("nan")
    metrics = {
        "trivial": {"valid": {"mcc": 0.0}, "test": {"mcc": nan}},
        "linear": {"valid": {"mcc": 0.5}, "test": {"mcc": 0.4321}},
    }
    intervals = {"trivial": (nan, nan), "linear": (0.31, 0.52)}
    seconds = {"trivial": 0.0, "linear": 1.0}
    baselines = BaselineReport(
        "test", "mcc", metrics, intervals, seconds, "linear", 0.05, 0.01, 0.09
    )
    caution = Caution("one_class", "all predictions are of one class", "train longer")
    found = replace(
        findings(seeds=1),
        rows=None,
        tracks=(),
        track_title="",
        baselines=baselines,
        cautions=(caution,),
    )
    page = write_report(found, tmp_path)[0]
    assert "All predictions are of one class. Train longer." in page.read_text()
    assert "is better than the best simple model (linear)" in page.read_text()
    (table,) = [rows for rows in tables(page) if rows and rows[0].get("model") == "trivial"]
    assert [list(row.values())[2] for row in table] == ["-", "0.4321"]
    assert [list(row.values())[3] for row in table] == ["-", "0.3100 to 0.5200"]


def test_pages_open_without_errors(report_of, compared, browser) -> None:
    """In a real browser, with the page's policy that forbids all requests."""
    for page, charts in ((report_of(Problem.SINGLE_LABEL)[0], 11), (compared[0], 3)):
        document, console = browser(page)
        assert console == ""
        assert document.count('<svg xmlns="http://www.w3.org/2000/svg"') >= charts


def test_each_figure_is_said_to_be_what_it_is(report_of, parsed) -> None:
    text = {
        problem: " ".join(parsed(report_of(problem)[0].read_text())[1].split())
        for problem in (Problem.SINGLE_LABEL, Problem.REGRESSION)
    }
    found, values = text.values()
    for words in (
        "enc, structure foldseek+dssp, 2 seeds",
        "True against predicted on test. Counts of 2 seeds together.",
        "ROC curve of 3 classes, each against the rest. Each line is a seed.",
        "True: membrane. Predicted: <other> (p 0.61). 73 residues.",
        "P<1> · largest loss",
        "Mean error (share wrong) of groups of test proteins",
        "By length (residues).", "By mean pLDDT.", "By true class.",
        "(over proteins and 2 seeds)",
    ):  # fmt: skip
        assert words in found
    for words in (
        "Each point is one of the test proteins;", "By true value.",
        "RMSE and MAE in units of Tm (degrees C).", "Mean error (absolute error)",
    ):  # fmt: skip
        assert words in values


def test_rows_without_confidence_are_said(findings) -> None:
    found = findings(seeds=1)
    told: list[str] = []
    names: list[str] = []
    page = SimpleNamespace(section=lambda *_: None, note=told.append)
    report = SimpleNamespace(page=page, chart=lambda chart, name, caption: names.append(name))
    rows = replace(found.rows, plddt=np.full(40, np.nan))
    _errors(report, replace(found, rows=rows))
    assert names == ["errors-length", "errors-truth"]
    assert told == ["No pLDDT is stored for these proteins."]


def test_lines_of_folds_and_samples_of_points_are_said(findings, monkeypatch) -> None:
    told: dict[str, str] = {}
    page = SimpleNamespace(section=lambda *_: None)
    report = SimpleNamespace(page=page, chart=lambda _, name, caption: told.update({name: caption}))
    found = findings(Problem.REGRESSION)
    run._learning(report, found)
    assert told["loss"] == "Loss on train, mean of each epoch. Each line is a seed."
    run._learning(report, replace(found, learning=found.runs))
    assert told["learning"].endswith(
        "Each line is a fold's training; the run itself was then trained on all rows."
    )
    run._learning(report, findings(Problem.REGRESSION, seeds=1))
    assert told["loss"] == "Loss on train, mean of each epoch."
    for points, words in ((40, ""), (39, " 39 of them, drawn at random.")):
        monkeypatch.setattr(run, "POINTS", points)
        run._predictions(report, found)
        assert told["scatter"].endswith(f"on the dashed line both are equal.{words}")


def test_a_training_without_scores_on_valid_has_its_loss_alone(findings, tmp_path, undrawn) -> None:
    """As one that was told when to stop, be it before the first epoch."""
    found = findings(seeds=1)
    for epochs in ((1, 2), (0,)):
        history = [{"epoch": e, "loss": 0.5, "valid": {}, "best": True} for e in epochs]
        stopped = replace(found, runs=(replace(found.run, history=history),), rows=None, tracks=())
        page = write_report(stopped, tmp_path)[0].read_text()
        assert "No epoch was scored on valid" in page
        assert "What chose the epoch" not in page
        assert "Loss on train, mean of each epoch." in page
    both = write_comparison([found, replace(stopped, name="stopped")], tmp_path)[0].read_text()
    assert "What chose the epoch" in both
    alone = write_comparison([stopped, replace(stopped, name="x")], tmp_path)[0].read_text()
    assert "What chose the epoch" not in alone
