from __future__ import annotations

from sesstore.reports.page import Page, cell

from .conftest import NASTY


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


def test_charts_are_inlined_once_and_cannot_end_their_script(chart, tmp_path, parsed) -> None:
    page = Page("charts")
    page.chart(chart, "One.")
    page.chart(chart, "Two.")
    html = page.render()
    assert html.count("window.vegaEmbed=") == 1
    assert html.count("</script>") == 3
    assert parsed(html)[0] == []
