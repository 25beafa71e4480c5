"""Figures are files; a page without charts needs no extra."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sesstore.errors import MissingExtraError, SesstoreError
from sesstore.reports.figures import available, charting, save_figure
from sesstore.reports.page import Page


def test_a_page_without_charts_needs_no_extra(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    monkeypatch.setitem(sys.modules, "altair", None)
    assert not available()
    page = Page("plain")
    page.text("words")
    assert page.write(tmp_path / "new" / "page.html").stat().st_size < 20_000
    with pytest.raises(MissingExtraError, match=r"sesstore\[report\]"):
        charting()


def test_figures_are_files(chart, tmp_path) -> None:
    svg, png = save_figure(chart, tmp_path / "figures" / "one")
    assert svg.read_text().startswith("<svg")
    assert png.read_bytes().startswith(b"\x89PNG")


def test_figures_are_drawn_without_standard_input(chart, tmp_path) -> None:
    code = (
        "import os, sys, altair; os.close(0); from pathlib import Path; "
        "from sesstore.reports.figures import save_figure; "
        "save_figure(altair.Chart.from_json(sys.argv[1]), Path('figure'))"
    )
    subprocess.run([sys.executable, "-c", code, chart.to_json()], cwd=tmp_path, check=True)
    assert (tmp_path / "figure.svg").stat().st_size
    assert (tmp_path / "figure.png").stat().st_size


def test_a_figure_that_cannot_be_drawn_is_one_error_and_no_file(chart, tmp_path) -> None:
    broken = chart.transform_calculate(more="nothing_of(the sort")
    with pytest.raises(SesstoreError, match=r"figure 'broken' cannot be drawn: .*expression"):
        save_figure(broken, tmp_path / "broken")
    assert not list(tmp_path.iterdir())
