"""The page of a result has the numbers of its rows, each under the name it goes by."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from sesstore.reports.page import Page
from sesstore.service.protein_view import ATTENTION
from sesstore.service.result_view import FAR_CAUTION, MEANINGS, MOST_CLASSES, add_result
from sesstore.service.results import JobResult, ProteinResult
from sesstore.tasks import Problem

BASE = {"length": 1234, "structure": True, "unmasked": 0.754}
SURE = {"confidence": 0.876, "spread": 0.01234, "distance": 0.34567, "far": False}
CLASSES = [f"<c{i:02}>" for i in range(12)]
CHANCES = {f"p_{name}": (1 + 7 * i % 12) / 78 for i, name in enumerate(CLASSES)}
HITS = [
    {"id": "near", "label": ["in", "out"], "split": "test", "similarity": 0.98765,
     "identity": 0.456, "coverage": 0.789, "length": 2345},
    {"id": "bare", "label": [], "split": None, "similarity": 0.5,
     "identity": None, "coverage": None, "length": 7},
    {"id": "new", "label": None, "split": None, "similarity": 0.4,
     "identity": 0.0, "coverage": 1.0, "length": 8},
]  # fmt: skip


def protein(id: str, row: dict[str, Any], hits: list[dict[str, Any]] | None = None):
    row = {"id": id, **BASE, **row}
    tokens = {"dssp": "HHH"} if row["structure"] else {}
    return ProteinResult(row, "MKV", tokens, None, hits or [], "<i></i>", False)


def page_of(problem: Problem, *proteins: ProteinResult, **rest: Any) -> str:
    names = {"confidence", "spread", "distance", "far", "set_90", "low_90"}
    kinds = {
        name: "numbers" if isinstance(value, list) else "number"
        for p in proteins
        for name, value in p.row.items()
        if name in names
    }
    page = Page("x")
    add_result(page, problem, "ID", JobResult({}, kinds, list(proteins), **rest), "")
    return page.render()


def tables(html: str) -> list[list[list[str]]]:
    """Cells of every table, its heads first."""
    return [
        [
            [
                unescape(re.sub("<[^>]*>", "", cell))
                for cell in re.findall(r"<t[hd].*?</t[hd]>", row)
            ]
            for row in re.findall(r"<tr>.*?</tr>", table, re.S)
        ]
        for table in re.findall(r"<table.*?</table>", html, re.S)
    ]


def figures(html: str) -> dict[str, str]:
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html)
    return {name: unescape(value) for name, value in pairs}


def headings(html: str) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", html)


def test_a_protein_of_many_classes() -> None:
    row = {"label": CLASSES[5], **CHANCES, **SURE, "set_90": CLASSES[:8], "far": True}
    html = page_of(Problem.SINGLE_LABEL, protein("a", row, HITS), value_title=ATTENTION)
    assert headings(html)[0] == "Prediction"
    assert figures(html) == {
        "prediction": CLASSES[5],
        "confidence": "88%",
        "set of classes (90 %)": ", ".join(CLASSES[:6]) + " and 2 more",
        "spread over seeds": "0.0123",
        "residues": "1,234",
        "with structure tokens": "75%",
        "distance to training": "0.346",
    }
    probabilities, near, meanings = tables(html)
    best = sorted(CLASSES, key=lambda name: -CHANCES[f"p_{name}"])[:MOST_CLASSES]
    assert probabilities[1:] == [[name, "", f"{CHANCES[f'p_{name}']:.1%}"] for name in best]
    assert re.findall(r'<meter min="0" max="1" value="([^"]*)"', html) == [
        f"{CHANCES[f'p_{name}']:.4f}" for name in best
    ]
    assert "and 2 less probable classes" in html
    assert near == [
        ["protein", "true label", "split", "similarity", "identity", "aligned", "residues"],
        ["near", "in, out", "test", "0.988", "46%", "79%", "2,345"],
        ["bare", "none", "-", "0.500", "-", "-", "7"],
        ["new", "-", "-", "0.400", "0%", "100%", "8"],
    ]
    assert dict(meanings[1:]) == {k: v for k, v in MEANINGS.items() if k != "interval"}
    assert FAR_CAUTION in unescape(html)


@pytest.mark.parametrize(
    ("names", "said"),
    [([], "no class"), (CLASSES[:6], ", ".join(CLASSES[:6])), (CLASSES, "and 6 more")],
)
def test_a_set_of_classes_is_never_blank(names: list[str], said: str) -> None:
    html = page_of(Problem.SINGLE_LABEL, protein("a", {"label": "x", "set_90": names}))
    assert figures(html)["set of classes (90 %)"].endswith(said)
    assert len(tables(html)) == 2  # of probabilities and what numbers say; nothing is near
    assert [row[0] for row in tables(html)[1][1:]] == ["set of classes"]
    assert "less probable" not in html
    assert FAR_CAUTION not in unescape(html)


def test_values_have_intervals_and_no_probabilities() -> None:
    row = {"value": 51.23456, "low_90": 48.76543, "high_90": 53.21, "spread": 0.5, "far": False}
    html = page_of(Problem.REGRESSION, protein("a", {**row, "structure": False}))
    assert figures(html) == {
        "prediction": "51.23",
        "interval (90 %)": "48.77 to 53.21",
        "spread over seeds": "0.5",
        "residues": "1,234",
    }
    assert [table[0][0] for table in tables(html)] == ["number"]
    assert [row[0] for row in tables(html)[0][1:]] == ["interval", "spread"]


def test_several_proteins_stand_in_a_table_that_leads_to_each() -> None:
    rows = [
        {"label": ["in", "out"], **SURE},
        {"label": [], **SURE, "spread": 0.5, "far": True},
    ]
    several = [protein(name, row) for name, row in zip(("a", "<b>"), rows, strict=True)]
    failed = {"c": "too long"}
    html = page_of(Problem.MULTI_LABEL, *several, failed=failed, notes=("odd",))
    assert headings(html)[0] == "Predictions"
    assert tables(html)[:2] == [
        [["could not be predicted", "why"], ["c", "too long"]],
        [
            [
                "protein", "residues", "prediction", "confidence", "spread", "distance",
                "far from training",
            ],
            ["a", "1,234", "in, out", "88%", "0.0123", "0.3457", "no"],
            ["<b>", "1,234", "none", "88%", "0.5000", "0.3457", "yes"],
        ],
    ]  # fmt: skip
    near = page_of(Problem.MULTI_LABEL, several[0], protein("c", rows[0]))
    assert tables(near)[0][0][-1] == "distance"
    assert re.findall(r'href="#(p\d)">(.*?)</a>', html) == [("p0", "a"), ("p1", "&lt;b&gt;")]
    assert re.findall(r'<div id="(p\d)"', html) == ["p0", "p1"]
    assert '<p class="caution">odd.</p>' in html
    for kind in ("csv", "json"):
        assert f'href="/jobs/ID/result.{kind}"' in html


def test_predictions_of_residues_are_beside_them_alone() -> None:
    row = {"label": list("HHE"), "probability": [0.5] * 3, "confidence": [0.5] * 3}
    html = page_of(Problem.RESIDUE_SINGLE_LABEL, protein("a", row), protein("b", row))
    overview, meanings = tables(html)
    assert overview == [["protein", "residues"], ["a", "1,234"], ["b", "1,234"]]
    assert [row[0] for row in meanings[1:]] == ["confidence"]
    assert "prediction" not in figures(html)
