"""The page of a study."""

from __future__ import annotations

from pathlib import Path

from sesstore.progress import SILENT
from sesstore.studies.figures import quality_chart
from sesstore.studies.page import write_page
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
