from __future__ import annotations

import pytest

from sesstore.reports.methods import methods
from sesstore.reports.runreport import write_report
from sesstore.tasks import Problem

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


def test_the_methods_paragraph_says_what_was_done(findings) -> None:
    said = methods(findings())
    assert "90 train, 40 valid, 40 test proteins" in said
    assert "98.9% of training proteins" in said
    assert "learning rate 0.0005" in said
    assert "mean over 2 seeds" in said
    assert "No structure was used." in methods(findings(alphabets=()))


def test_without_a_store_there_is_a_report(findings, tmp_path, parsed) -> None:
    from dataclasses import replace

    bare = replace(findings(seeds=1), rows=None, along=(), drawn="")
    text = parsed(write_report(bare, tmp_path)[0].read_text())[1]
    assert "A note." in text
    assert "Where errors concentrate" not in text


def test_pages_open_without_errors(report_of, compared, browser) -> None:
    """In a real browser, with the page's policy that forbids all requests."""
    for page, charts in ((report_of(Problem.SINGLE_LABEL)[0], 11), (compared[0], 3)):
        document, console = browser(page)
        assert console == ""
        assert document.count('<svg xmlns="http://www.w3.org/2000/svg"') >= charts
