from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sesstore
from sesstore.cells import cell
from sesstore.jobs.predicting.tables import CsvTable
from sesstore.store.atomic_files import write_reasons

FORMULAS = [
    "=1+1",
    "=HYPERLINK(1)",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
]
FORMULAS += [" =1+1", "\uff1d1+1", "= 1", "-like protein"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_become_text(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "value", ["P12345", "-1.5", "+3", "1e-5", "-", "+", "", "a=b", 7, -1.5, None, True]
)
def test_all_else_stays(value):
    assert cell(value) is value


@given(st.text(max_size=8))
def test_what_stays_begins_as_no_formula(text):
    kept = cell(text)
    assert kept.removeprefix("'") == text.removeprefix("'") or kept == f"'{text}"
    if kept.lstrip()[:1] in tuple("=+-@"):
        assert len(kept.strip()) == 1 or float(kept) is not None


def test_predictions():
    text = io.StringIO()
    table = CsvTable(text, {"id": "text", "=class": "text", "score": "number"})
    table.write([{"id": "=cmd", "=class": "@x", "score": -1.5}])
    assert list(csv.reader(text.getvalue().splitlines())) == [
        ["id", "'=class", "score"],
        ["'=cmd", "'@x", "-1.5"],
    ]


def test_reasons(tmp_path):
    write_reasons(tmp_path / "failed.tsv", "file", {"=cmd": "+bad"})
    assert (tmp_path / "failed.tsv").read_text() == "file\treason\n'=cmd\t'+bad\n"


def test_no_writer_of_tables_goes_without():
    """Whatever writes CSV or tab-separated text imports `cell`."""
    root = Path(sesstore.__file__).parent
    writes = re.compile(r"csv\.(?:Dict)?[wW]riter|\"\\t\"\.join")
    found = [path for path in root.rglob("*.py") if writes.search(path.read_text("utf-8"))]
    assert len(found) >= 4
    for path in found:
        assert "import cell" in path.read_text("utf-8"), path


@pytest.mark.parametrize("text", ["-.5", "+1.", "-1.5E+30", "+2e-7"])
def test_numbers_with_a_sign_stay_numbers(text):
    assert cell(text) is text


@pytest.mark.parametrize("text", ["-1e", "-1 2", "+1.2.3", "-0x1F", "=5", "-1\n+2"])
def test_what_only_begins_as_a_number_is_a_formula(text):
    assert cell(text) == f"'{text}"
