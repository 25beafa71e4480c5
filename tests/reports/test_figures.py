"""Figures are files; a page without charts needs no extra."""

from __future__ import annotations

import re
import struct
import subprocess
import sys

import pytest

from sesstore.errors import MissingExtraError, SesstoreError
from sesstore.reports.figures import (
    PALETTES,
    SCALE,
    WIDTH,
    available,
    charting,
    save_figure,
    theme,
)
from sesstore.reports.page import Page

SIDES = ("width", "height")


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


def test_a_png_has_twice_the_pixels_and_a_width_of_its_own_stays(chart, tmp_path) -> None:
    svg, png = save_figure(chart, tmp_path / "wide")
    sizes = []
    for figure in (svg, save_figure(chart.properties(width=100), tmp_path / "narrow")[0]):
        text = figure.read_text()
        sizes.append(tuple(float(re.search(rf'{side}="([\d.]+)"', text)[1]) for side in SIDES))
        assert 'fill="white"' in text  # for papers, whatever the reader's screen
    assert struct.unpack(">II", png.read_bytes()[16:24]) == pytest.approx(
        [SCALE * size for size in sizes[0]], abs=1
    )
    assert sizes[0][0] - sizes[1][0] == pytest.approx(WIDTH - 100, abs=20)  # labels overhang


def test_dark_and_light_differ_in_every_colour() -> None:
    light, dark = theme(), theme(dark=True)
    assert (light["background"], dark["background"]) == ("white", "transparent")
    assert light["range"]["category"] == list(PALETTES[False])
    assert dark["range"]["category"] == list(PALETTES[True])
    for mark in ("bar", "line", "point", "circle", "area"):
        assert (light[mark]["color"], dark[mark]["color"]) == (
            PALETTES[False][0],
            PALETTES[True][0],
        )
    for name, style in light["style"].items():
        assert style["color"] != dark["style"][name]["color"]
