from __future__ import annotations

import json
import re

import pytest

from sesstore.reports.page import POLICY, Page, cell

from .conftest import NASTY

alt = pytest.importorskip("altair")


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


def test_links_lead_to_their_sections() -> None:
    page = Page("t")
    page.text("before all")
    for title in ("One & two", "Three"):
        page.section(title, f"of {title}")
    assert "<nav" not in page.render()
    page.section("")
    page.section("Five")
    html = page.render()
    links = dict(re.findall(r'<a href="#(s\d+)">(.*?)</a>', html))
    heads = dict(re.findall(r'<section id="(s\d+)"><h2>(.*?)</h2>', html))
    assert links == heads
    assert list(links.values()) == ["One &amp; two", "Three", "Five"]
    assert html.index("of Three") > html.index("<h2>Three") > html.index("of One")


def test_each_kind_of_text_has_its_look_and_endings_stand_once() -> None:
    page = Page("t")
    page.caution("Beware <b>")
    page.note("small")
    page.heading("Head")
    for _ in range(2):
        page.once("<i>end</i>")
    page.once("<i>later</i>")
    html = page.render()
    assert '<p class="caution">Beware &lt;b&gt;</p>' in html
    assert '<p class="note">small</p><h3>Head</h3>' in html
    assert html.endswith("<i>end</i><i>later</i>\n</body>\n</html>\n")


def test_a_server_says_the_policy_itself() -> None:
    page = Page("t")
    html, served = page.render(), page.render(nonce="n0")
    assert f'content="{POLICY}"' in html
    assert "nonce" not in html
    assert "Content-Security-Policy" not in served
    assert [served.count(f'<{tag} nonce="n0">') for tag in ("style", "script")] == [1, 1]
    assert "default-src 'none'" in POLICY


def test_charts_side_by_side_keep_their_widths(chart) -> None:
    page = Page("t")
    page.chart(chart, "one")
    page.chart(chart | chart, "two")
    page.chart(chart.properties(width=77), "three")
    data = re.search(r'id="charts">(.*?)</script>', page.render())
    assert data
    first, second, third = json.loads(data[1])["charts"]
    assert first["width"] == "container"
    assert "width" not in second
    assert third["width"] == 77
    assert 'data-chart="1" role="img" aria-label="two"' in page.render()


def test_numbers_of_either_sign_have_four_digits_or_one() -> None:
    values = (-0.5, -1234.56, 999.99999, 1000.0, -12345, False, 0)
    words = ["-0.5000", "-1,234.6", "1,000.0000", "1,000.0", "-12,345", "no", "0"]
    assert [cell(value) for value in values] == words


def test_a_value_that_is_no_number_leaves_no_chart_undrawn(chart) -> None:
    """A monitor that an epoch does not define, a group without labels: JSON has null for it."""
    page = Page("t")
    data = chart.to_dict()["data"]["values"]
    for value in (float("nan"), float("inf"), 0.25):
        data[0]["score"] = value
        page.chart(alt.Chart(alt.Data(values=data)).mark_bar().encode(x="score:Q"))
        data = [dict(row) for row in data]
    text = re.search(r'id="charts">(.*?)</script>', page.render())
    assert text
    charts = json.loads(text[1], parse_constant=pytest.fail)["charts"]
    assert [spec["data"]["values"][0]["score"] for spec in charts] == [None, None, 0.25]
