"""The catalogue page."""

from __future__ import annotations

import re
from html import unescape

import pytest
from starlette.testclient import TestClient

from sesstore.proteins import Protein
from sesstore.sharing.serve.catalogue_page import catalogue_page, histogram_svg
from sesstore.sharing.serve.server import StoreServer, application

NASTY = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


def test_names_are_escaped_on_the_page(kit, tmp_path):
    proteins = kit.proteins(12)
    made = kit.provenance(NASTY)
    stores = [
        kit.fill(tmp_path / "st&re", [Protein(NASTY, p.sequence) for p in proteins], (made,)),
        kit.fill(tmp_path / "two", proteins[:11], ()),
    ]
    with StoreServer(stores) as served, TestClient(application(served)) as client:
        answer = client.get("/")
        listing = client.get("/catalogue.json")
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    body = answer.text.split("</style>")[1].split("<script nonce")[0]
    assert "http" not in body.replace("http://testserver", "")
    assert set(listing.json()) == {"st-re", "two"}
    assert str(tmp_path) not in listing.text


def an_encoder(name: str, short: str, **rest) -> dict:
    provenance = {"dim": 1280, "dtype": "int8", "licence": "MIT", "fingerprint": {}, **rest}
    counts = {"proteins": 1234, "residues": 567_890, "bytes": 3_000_000}
    return {"encoder": name, "fingerprint": short, "provenance": provenance, **counts}


def a_summary(*encoders: dict) -> dict:
    covered = {"encoders": {e["fingerprint"]: 0.25 for e in encoders}, "sources": {"pdb": 0.875}}
    task = {
        "name": "toy",
        "problem": "single_label",
        "classes": 1000,
        "proteins": 4321,
        "splits": {"train": 4000, "test": 1500},
        "citation": "Someone",
        "coverage": covered,
    }
    heat = {**task, "name": "heat", "problem": "residue_regression", "citation": ""}
    counts = {"foldseek": 11, "plddt": 1300, "sasa": 7}
    source = {"source": "pdb", "proteins": 1100, "counts": counts, "tool": None}
    lengths = {"counts": [2, 0, 4], "edges": [0, 10, 20, 30], "longest": 4567, "median": 1234}
    return {"proteins": 2345, "bytes": 5_000_000_000, "damaged": 0, "histogram": lengths,
            "encoders": list(encoders), "sources": [source], "tasks": [task, heat]}  # fmt: skip


def page_of(summary: dict, *, guarded: bool = False) -> str:
    html = catalogue_page({"lab": summary}, "http://host", "n", guarded)
    return html.split("<main>")[1].split("</main>")[0]


def texts(html: str, tag: str) -> list[str]:
    inner = re.findall(rf"<{tag}(?: [^>]*)?>(.*?)</{tag}>", html, re.S)
    return [unescape(re.sub("<[^>]*>", "", part)) for part in inner]


def test_what_a_store_holds_stands_in_tables():
    foreign = an_encoder(
        "esmc", "f2", licence="", fingerprint={"imported_from": "h5"}, dtype="float16"
    )
    html = page_of(a_summary(an_encoder("esm2", "f1"), foreign))
    assert texts(html, "dd") == ["2,345", "2", "2,468", "2", "5.0 GB"]
    rows = [texts(row, "td") for row in re.findall("<tr>.*?</tr>", html) if "<td" in row]
    assert rows == [
        ["esm2", "f1", "1,280", "int8", "1,234", "567,890", "3.0 MB", "MIT"],
        [
            "esmc imported from h5",
            "f2",
            "1,280",
            "float16",
            "1,234",
            "567,890",
            "3.0 MB",
            "not stated",
        ],
        ["pdb", "1,100", "11", "0", "1,300", "sasa 7", "not stated"],
    ]
    assert texts(html, "code") == [
        "sesstore pull http://host/lab",
        "f1",
        "f2",
        "sesstore pull http://host/lab --plm esm2",
        "sesstore pull http://host/lab --task toy",
        "sesstore pull http://host/lab --task heat",
    ]
    said = texts(html, "p")
    assert "single label, 1,000 classes; rows: train 4,000, test 1,500 (4,321 proteins)" in said
    assert "residue regression; rows: train 4,000, test 1,500 (4,321 proteins)" in said
    assert said.count("Please cite: Someone") == 1
    bars = re.findall(r'<span>(.*?)</span><meter min="0" max="1" value="(.*?)"></meter>', html)
    assert bars == [("esm2", "0.2500"), ("esmc", "0.2500"), ("tokens of pdb", "0.8750")] * 2
    assert re.findall(r'<option value="(.*?)">(.*?)<', html) == [("f1", "esm2"), ("f2", "esmc")] * 2


def test_what_is_absent_is_not_shown():
    html = page_of({**a_summary(), "tasks": [], "sources": [], "damaged": 1200}, guarded=True)
    assert texts(html, "h3") == ["Lengths of all proteins"]
    assert "1,200 of its parts are damaged" in html
    assert "SESSTORE_TOKEN_FILE" in html
    html = page_of(a_summary())  # a task without an encoder has no map
    assert "<option" not in html
    assert "damaged" not in html
    assert "SESSTORE_TOKEN_FILE" not in html
    one = page_of(a_summary(an_encoder("esm2", "f1")))
    assert "--plm" not in one
    assert "<title>nothing here " in catalogue_page({}, "", "", False)
    assert "<title>a · b " in catalogue_page({"a": a_summary(), "b": a_summary()}, "", "", False)


@pytest.mark.parametrize(
    ("names", "said"),
    [(("esm2_t6", "esm2"), "esm2_t6"), (("esm2", "ESM2_t6"), "f1"), (("my enc", "x"), "f1"),
     (("a.b_c-1", "x"), "a.b_c-1"), (("same", "same"), "f1")],
)  # fmt: skip
def test_the_command_names_one_encoder(names, said):
    encoders = [an_encoder(name, f"f{i}") for i, name in enumerate(names, 1)]
    assert f"--plm {said}" in texts(page_of(a_summary(*encoders)), "code")[3]


def test_bars_of_lengths():
    svg = histogram_svg(a_summary()["histogram"])
    bars = re.findall(r'<rect x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"><title>(.*?)<', svg)
    assert bars == [
        ("0.0", "60.0", "185.7", "60.0", "0 to 10 residues: 2"),
        ("186.7", "120.0", "185.7", "0.0", "10 to 20 residues: 0"),
        ("373.3", "0.0", "185.7", "120.0", "20 to 4567 residues: 4"),
    ]
    assert texts(svg, "text") == ["0", "10", "20"]
    assert "median 1,234, longest 4,567" in svg
    counts = [1] * 32
    many = {"counts": counts, "edges": list(range(0, 330, 10)), "longest": 400, "median": 5}
    assert texts(histogram_svg(many), "text") == ["0", "50", "100", "150", "200", "250", "300"]
