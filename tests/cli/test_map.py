"""``sesstore map``: a page, a table, and what goes wrong."""

from __future__ import annotations

import csv
from pathlib import Path

from .conftest import ENCODER, uniprot_files


def test_a_task_becomes_a_page_and_a_table(cli, trained: Path) -> None:
    said = cli("map", "deeploc_binary", "--method", "pca", "--json")
    assert said.status == 0, said.err
    assert said.json["out"] == "map.html"
    assert {"residues", "split", "deeploc_binary"} <= set(said.json["columns"])
    page = Path("map.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "first two principal components" in page
    Path("scores.csv").write_text("id,score\nnobody,1\n" + page_row(cli))
    again = cli(
        "map", "deeploc_binary", "--method", "pca", "--table", "scores.csv", "--out", "map.csv"
    )
    assert again.status == 0, again.err
    assert "Of no protein of the map: 1 row of scores.csv." in again.err
    with Path("map.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == said.json["proteins"]
    assert [row["score"] for row in rows if row["score"]] == ["0.5"]
    assert {row["deeploc_binary"] for row in rows} == {"membrane", "soluble"}


def page_row(cli) -> str:
    """A row of the first protein of a map."""
    cli("map", "deeploc_binary", "--method", "pca", "--out", "all.jsonl")
    return Path("all.jsonl").read_text().split('"id": "')[1].split('"')[0] + ",0.5\n"


def test_what_has_no_mean_is_named_and_the_status_says_so(cli) -> None:
    uniprot_files()
    words = ("import", "uniprot", "accessions.h5", "--sequences", "all.fasta", *ENCODER)
    assert cli(*words).status == 0
    every = Path("all.fasta").read_text() + ">extra\nMKVLAWWW\n"
    Path("more.fasta").write_text(every)
    for command in (("map", "more.fasta", "--method", "pca", "--out", "m.csv"),
                    ("search", "more.fasta")):  # fmt: skip
        said = cli(*command, "--json")
        assert said.status == 1
        assert list(said.json["failed"]) == ["extra"]
        assert "its residues are not stored" in said.json["failed"]["extra"]
    assert len(Path("m.csv").read_text().splitlines()) == 1 + 3
    told = cli("map", "more.fasta", "--method", "pca", "--out", "m.csv")
    assert "Not on it, as they have no embedding: 1 protein." in told.err
    assert "failed: extra: " in told.err
    assert "map of 3 proteins written to m.csv" in told.out


def test_what_is_wrong_is_said_before_anything_is_drawn(cli, trained: Path) -> None:
    wrong = cli("map", "deeploc_binary", "--out", "map.pdf")
    assert wrong.status == 2
    assert "End it in .html, .csv" in wrong.err
    missing = cli("map", "deeplok_binary")
    assert missing.status == 2
    assert "deeploc_binary" in missing.err
    none = cli("map", "deeploc_binary", "--method", "pca", "--table", "gone.csv")
    assert none.status == 2
    assert "gone.csv" in none.err
    assert not Path("map.html").exists()
