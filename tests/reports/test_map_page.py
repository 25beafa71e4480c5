"""The page of a map: whole, closed to the network, and with every protein in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sesstore.proteins import Protein
from sesstore.reports import map_page
from sesstore.reports.map_page import write_map_page

from .conftest import NASTY

PROTEINS = [Protein.parse("a", "MKV"), Protein.parse(NASTY, "MKVL"), Protein.parse("c", "WW")]
POINTS = np.array([[0, 0], [-4, 2], [1, 1e-9]], np.float32)
COLUMNS = {
    "length": [3.0, None, 2.0],
    NASTY: ["x", NASTY, None],
    "kind": ["x", "y", "x"],
    "empty": [None, None, None],
}


def written(path: Path) -> dict:
    write_map_page(path, "toy", NASTY, PROTEINS, POINTS, dict(COLUMNS), [[1], [2], [0]], [NASTY])
    text = re.search(
        r'<script type="application/json" id="proteins">(.*?)</script>', path.read_text()
    )
    assert text
    return json.loads(text[1])


def test_every_protein_is_in_it(tmp_path: Path, parsed) -> None:
    data = written(tmp_path / "map.html")
    assert data["ids"] == ["a", NASTY, "c"]
    assert data["x"] == [0, -1, 0.25]
    assert data["y"] == [0, 1, 0]
    assert data["columns"][0] == {"name": "length", "numbers": [3.0, None, 2.0]}
    assert data["columns"][1] == {"name": NASTY, "words": ["x", NASTY], "codes": [0, 1, -1]}
    assert data["columns"][2]["codes"] == [0, 1, 0]
    assert data["columns"][3] == {"name": "empty", "words": [], "codes": [-1, -1, -1]}
    assert data["nearest"] == [[1], [2], [0]]
    assert data["sequences"] == ["MKV", "MKVL", "WW"]
    html = (tmp_path / "map.html").read_text()
    assert "<script>alert" not in html
    assert parsed(html)[0] == []  # nothing from elsewhere


def test_too_many_residues_stay_out_and_it_is_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(map_page, "MOST_RESIDUES", 8)
    data = written(tmp_path / "map.html")
    assert data["sequences"] == []
    assert "it saves CSV, and no FASTA" in (tmp_path / "map.html").read_text()


def test_the_script_is_javascript(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = Path(map_page.__file__).with_name("map.js")
    subprocess.run([node, "--check", script], check=True, capture_output=True)


def test_in_a_browser(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("chromium is not installed")
    written(tmp_path / "map.html")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command = [browser, *flags, "--dump-dom", f"file://{tmp_path / 'map.html'}"]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert dom.count("<option value=") == 4
    legend = dom.split('id="legend"')[1].split("</ul>")[0]
    assert "nothing known (1)" in legend
