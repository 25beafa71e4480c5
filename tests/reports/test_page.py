from __future__ import annotations

import sys

import pytest

from sesstore.errors import MissingExtraError
from sesstore.reports.figures import available, charting, save_figure
from sesstore.reports.page import Page, cell

NASTY = '<script>alert("x")</script> & co'


@pytest.fixture
def chart():
    alt = pytest.importorskip("altair")
    values = [{"name": NASTY, "score": 0.5}, {"name": "b", "score": 0.7}]
    return alt.Chart(alt.Data(values=values)).mark_bar().encode(x="score:Q", y="name:N")


def test_what_comes_from_outside_is_text(parsed) -> None:
    page = Page(NASTY, NASTY)
    page.section(NASTY, NASTY)
    page.table([NASTY], [[NASTY]], NASTY)
    page.code(NASTY)
    page.figures({NASTY: NASTY})
    html = page.render()
    assert "<script>alert" not in html
    assert parsed(html)[1].count(NASTY) == 11


def test_tables_show_numbers_and_gaps() -> None:
    cells = [cell(value) for value in (0.12345, 12345, 1234567.0, None, float("nan"), True, "x")]
    assert cells == ["0.1235", "12,345", "1,234,567.0", "-", "-", "yes", "x"]
    page = Page("t")
    page.table(["name", "n"], [["a", 1], ["b", None]])
    assert page.render().count('class="n"') == 3


def test_a_page_without_charts_needs_no_extra(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    monkeypatch.setitem(sys.modules, "altair", None)
    assert not available()
    page = Page("plain")
    page.text("words")
    assert page.write(tmp_path / "new" / "page.html").stat().st_size < 20_000
    with pytest.raises(MissingExtraError, match=r"sesstore\[report\]"):
        charting()


def test_charts_are_inlined_once_and_cannot_end_their_script(chart, tmp_path, parsed) -> None:
    page = Page("charts")
    page.chart(chart, "One.")
    page.chart(chart, "Two.")
    html = page.render()
    assert html.count("window.vegaEmbed=") == 1
    assert html.count("</script>") == 3
    assert parsed(html)[0] == []


def test_figures_are_files(chart, tmp_path) -> None:
    svg, png = save_figure(chart, tmp_path / "figures" / "one")
    assert svg.read_text().startswith("<svg")
    assert png.read_bytes().startswith(b"\x89PNG")
