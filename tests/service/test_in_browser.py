"""The page to predict in a browser, by keyboard and on a phone: it shows what `predict` says."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from sesstore.service.prediction_service import PredictionService

from ..devtools import BrowserPage
from .conftest import Serve, Trained
from .test_prediction_service import predicted_csv

ENTER, TAB = ("Enter", 13), ("Tab", 9)
FINISHED = (
    "location.pathname.endsWith('/page') && !!document.getElementById('drop') && "
    "!document.getElementById('waiting') && document.readyState === 'complete'"
)
FIGURES = (
    "Object.fromEntries([...document.querySelectorAll('dl.figures > div')]"
    ".map(pair => [...pair.children].map(cell => cell.textContent)))"
)
WIDER = "document.documentElement.scrollWidth - innerWidth"
PHONE = 375


def check_is_closed(page: BrowserPage, address: str) -> None:
    """Nothing went wrong, and nobody else was asked."""
    # What WebGL says of its own speed is no fault of the page's.
    assert [line for line in page.errors if "WebGL" not in line] == []
    assert page.requests
    local = (f"{address}/", "data:", f"blob:{address}")
    assert [url for url in page.requests if not url.startswith(local)] == []


def rows_of(text: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_sequences_by_keyboard(
    trained: Trained, service: PredictionService, serve: Serve, tmp_path: Path
) -> None:
    client, fasta = serve(service), tmp_path / "two.fasta"
    fasta.write_text(">first\nMKVLAAGIVGLCA\n>second <b>\nWWWWHHHKLMKLMKK\n")
    with BrowserPage(tmp_path / "profile") as page:
        page.open(client.address)
        page.evaluate("document.getElementById('text').focus()")
        page.type(fasta.read_text())
        for key in (TAB, TAB, ENTER):  # past the file, to the button
            page.press(*key)
        page.wait(FINISHED)
        address = page.evaluate("document.querySelector('a[href$=\".csv\"]').getAttribute('href')")
        _, answer, _ = client.ask(address)
        assert answer == predicted_csv(trained, fasta)
        listed = page.evaluate(
            "[...document.querySelectorAll('table')][0].innerText.split('\\n').map(r => r.trim())"
        )
        for row in rows_of(answer):
            assert any(
                line.startswith(row["id"]) and row["label"] in line
                and f"{float(row['confidence']):.0%}" in line
                for line in listed
            )  # fmt: skip
        page.evaluate("document.querySelector('details.protein > summary').click()")
        assert page.evaluate(FIGURES)["prediction"] == rows_of(answer)[0]["label"]
        page.resize(PHONE, 800)
        assert page.evaluate(WIDER) <= 0
        check_is_closed(page, client.address)


def test_a_structure_on_a_phone(
    trained: Trained, service: PredictionService, serve: Serve, shared_structures: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    client, path = serve(service), shared_structures / "1aki.pdb"
    with BrowserPage(tmp_path / "profile", PHONE, 800) as page:
        page.open(client.address)
        assert page.evaluate(WIDER) <= 0
        page.choose("#file", path)
        page.evaluate("document.querySelector('#submit button').click()")
        page.wait(FINISHED)
        (row,) = rows_of(predicted_csv(trained, path))
        figures = page.evaluate(FIGURES)
        assert figures["prediction"] == row["label"]
        assert figures["confidence"] == f"{float(row['confidence']):.0%}"
        assert figures["residues"] == row["length"] == "129"
        assert page.evaluate("document.querySelectorAll('[data-place]').length") == 129
        assert page.evaluate(WIDER) <= 0
        check_is_closed(page, client.address)


def test_what_is_wrong_is_said_where_it_was_written(
    service: PredictionService, serve: Serve, tmp_path: Path
) -> None:
    client = serve(service)
    with BrowserPage(tmp_path / "profile") as page:
        page.open(client.address)
        page.evaluate("document.getElementById('text').focus()")
        page.type("MKV1LAA")
        page.evaluate("document.querySelector('#submit button').click()")
        page.wait("document.getElementById('problem').textContent.includes('position 4')")
        assert page.evaluate("document.activeElement.id") == "text"
        assert page.evaluate("location.pathname") == "/"
        # Chromium writes each answer that is an error to the console.
        assert [line for line in page.errors if "status of 400" not in line] == []


@pytest.mark.parametrize("width", [1280, PHONE])
def test_pages_are_as_wide_as_the_screen(
    service: PredictionService, serve: Serve, tmp_path: Path, width: int
) -> None:
    client = serve(service)
    with BrowserPage(tmp_path / "profile", width, 800) as page:
        for place in ("/", "/jobs/none/page"):
            page.open(f"{client.address}{place}")
            assert page.evaluate(WIDER) <= 0
