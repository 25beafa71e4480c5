"""Figures are files; a page without charts needs no extra."""

from __future__ import annotations

import sys

import pytest

from sesstore.errors import MissingExtraError
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
