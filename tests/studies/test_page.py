"""The page of a study."""

from __future__ import annotations

from pathlib import Path

from sesstore.progress import SILENT
from sesstore.studies import page as page_module
from sesstore.studies.figures import quality_chart
from sesstore.studies.page import write_page
from sesstore.training.baseline_report import BaselineReport
from sesstore.training.metrics import explain

from .conftest import report


def test_parts_are_charts_of_a_page_and_one_figure_of_a_file(tmp_path: Path) -> None:
    made = report(tmp_path)
    write_page(made, quality_chart, SILENT)
    page = (tmp_path / "study.html").read_text()
    assert page.count('class="chart"') == 2
    assert page.count('"width": "container"') == 2
    assert explain([made.monitor])[made.monitor] in page
    assert (tmp_path / "figure.svg").read_text().startswith("<svg")


def test_the_page_tells_all_that_the_record_holds(tmp_path: Path, monkeypatch) -> None:
    """Sentences of comparisons stand in their table; each source is cited once."""
    monkeypatch.setattr(page_module, "save_figure", lambda *_: None)
    made = report(tmp_path)
    made.encoder = ["enc", "other"]
    made.findings = ["The first finding.", "pdb minus none: better."]
    made.comparisons = [
        {"one": "pdb", "other": "none", "difference": 0.25, "low": 0.125, "high": 0.375,
         "p": 0.5, "q": 0.75, "better_seeds": 2, "seeds": 3},
    ]  # fmt: skip
    made.missing = ["what was not there"]
    made.cautions = [{"what": "x", "text": "rows are few", "todo": "get more"}]
    made.provenance["task"]["citation"] = "Task 2020"
    made.provenance["encoders"] = {n: {"citation": "Encoder 2021"} for n in ("enc", "other")}
    simple = BaselineReport(
        "test", "accuracy", {"linear": {"test": {"accuracy": 0.4321}}}, {"linear": (0.4, 0.5)},
        {"linear": 1.0}, "linear", 0.05, 0.01, 0.09,
    )  # fmt: skip
    made.baselines = [{"encoder": "enc", "arm": "pdb", **simple.to_json()}]
    write_page(made, quality_chart, SILENT)
    page = (tmp_path / "study.html").read_text()
    for words in (
        "<h1>quality: Why?</h1><p>toy, enc, other, 1 seeds</p>", "<p>The first finding.</p>",
        "Rows are few. Get more.", "<td class=\"n\">0.2500</td>", "what was not there",
        "Simple models on the same rows: pdb, enc", "0.4321", "<pre>sesstore study</pre>",
        "<p>Task 2020</p>",
    ):  # fmt: skip
        assert words in page
    assert "pdb minus none" not in page
    assert page.count("<p>Encoder 2021</p>") == 1
