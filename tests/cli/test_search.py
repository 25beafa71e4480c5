"""``sesstore search``: nearest proteins, other places to search, transferred labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sesstore_cli.search import _say, _say_hits

from sesstore.jobs.predicting.neighbour_search import QueryResult, SearchReport
from sesstore.neighbours.lookup import Hit

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")
RICH = {"acid": "DE", "base": "KR"}


def write(path: str, count: int = 60) -> list[tuple[str, str, str]]:
    """Proteins rich in acids or bases, which a mean of one-hot rows tells apart."""
    rng, rows = np.random.default_rng(4), []
    for number in range(count):
        kind = ("acid", "base")[number % 2]
        letters = [*LETTERS, *(RICH[kind] * 8)]
        rows.append((f"p{number}", "".join(rng.choice(letters, 60)), kind))
    split = ["train", "train", "valid", "test"]
    lines = [f"{i},{s},{k},{split[n // 2 % 4]}" for n, (i, s, k) in enumerate(rows)]
    Path(path).write_text("\n".join(["id,sequence,label,split", *lines]) + "\n")
    return rows


@pytest.fixture
def rows(cli):
    rows = write("charge.csv")
    assert cli("add", "charge.csv").status == 0
    assert cli("embed", "--plm", "onehot", "--quiet").status == 0
    return rows


def test_a_protein_finds_itself_its_kind_and_their_identity(cli, rows) -> None:
    said = cli("search", "p3", "--count", "4", "--json")
    assert said.status == 0, said.err
    (query,) = said.json["queries"]
    assert query["hits"][0]["id"] == "p3"
    assert query["hits"][0]["similarity"] == pytest.approx(1, abs=1e-3)
    assert query["hits"][0]["identity"] == 1.0
    assert all(int(hit["id"][1:]) % 2 == 1 for hit in query["hits"])
    assert 0 < query["hits"][1]["identity"] < 0.6
    assert said.json["searched"] == 60
    again = cli("search", "p3")
    assert "no mean yet" not in again.err
    assert "similarity" in again.out
    assert "60 proteins searched by" in again.err


def test_labels_are_transferred_with_what_they_are_worth(cli, rows) -> None:
    said = cli("search", "charge.csv", "--transfer", "charge", "--no-align", "--json")
    assert said.status == 0, said.err
    queries = said.json["queries"]
    assert sum(q["label"] == row[2] for q, row in zip(queries, rows, strict=True)) > 55
    assert all(0 <= query["reliability"] <= 1 and 0 <= query["worth"] <= 1 for query in queries)
    about = said.json["transfer"]
    assert about["task"] == "charge"
    assert about["calibrated_on"] == 14
    shown = cli("search", "p0", "--transfer", "charge")
    assert "measured on 14 proteins of valid" in shown.out


def test_a_file_a_task_and_another_store_can_be_searched(cli, rows) -> None:
    Path("few.fasta").write_text(f">new\n{rows[0][1]}\n>other\n{'DE' * 20}\n")
    said = cli("search", "KRKRKRKRKRKRKRKRKRKR", "--in", "few.fasta", "--json")
    assert said.status == 0, said.err
    assert said.json["searched"] == 2
    assert {hit["id"] for hit in said.json["queries"][0]["hits"]} == {"p0", "other"}
    said = cli("search", "few.fasta", "--in", "store", "--store", "store", "--out", "hits.csv")
    assert said.status == 0, said.err
    lines = Path("hits.csv").read_text().splitlines()
    assert lines[0] == "query,rank,id,digest,length,similarity,identity,coverage"
    assert len(lines) == 1 + 2 * 10


def test_what_cannot_be_searched_is_said(cli, rows) -> None:
    said = cli("search", "nobody", "--in", "charge")
    assert said.status == 2
    assert "nobody" in said.err
    said = cli("search", "p0", "--in", "chagre")
    assert said.status == 2
    assert "charge" in said.err
    said = cli("search", "p0", "--transfer", "chagre")
    assert said.status == 2
    cli("embed", "--plm", "blosum62", "--quiet")
    said = cli("search", "p0")
    assert said.status == 2
    assert "--plm" in said.err
    assert cli("search", "p0", "--plm", "blosum62", "-q").status == 0


def test_pairs_are_aligned_unless_that_is_left_out(cli, rows) -> None:
    aligned, plain = (
        cli("search", "p3", "--count", "3", "--json", *words).json["queries"][0]["hits"]
        for words in ((), ("--no-align",))
    )
    assert [hit["id"] for hit in plain] == [hit["id"] for hit in aligned]
    assert all(hit["identity"] is not None for hit in aligned)
    assert all(hit["identity"] is None and hit["coverage"] is None for hit in plain)


def test_queries_are_not_kept(cli, rows) -> None:
    before = cli("info", "--json").json
    assert cli("search", "p0", "-q").status == 0  # makes the means of what is searched
    known = cli("info", "--json").json
    assert cli("search", "DEDEKRDEACDEFGHIKL", "-q").status == 0
    assert cli("info", "--json").json["encoders"] == known["encoders"]
    assert known["proteins"] == before["proteins"]


def test_every_figure_of_a_search_is_in_its_place(shown) -> None:
    hits = [Hit("p", "d", 1234, 0.98765, 0.256, 0.5), Hit("q", "e", 8, 0.5)]
    assert shown(_say_hits, [QueryResult("one", 4321, hits)]) == [
        "one, 4,321 residues",
        "protein residues similarity identity aligned",
        "p 1,234 0.988 26% 50%",
        "q 8 0.500 - -",
    ]
    twenty = [QueryResult(f"q{n}", 9, hits) for n in range(20)]
    assert not any("more queries" in line for line in shown(_say_hits, twenty))
    more = shown(_say_hits, [*twenty, *twenty[:2]])
    assert more[-1] == "and 2 more queries: --out FILE takes all hits"
    assert sum(line.endswith(", 9 residues") for line in more) == 20
    transfer = {"task": "ec", "training_proteins": 1111, "neighbours": 3, "calibrated_on": 2222}
    report = SearchReport("X", "ab", 3333, 4444, twenty, transfer, {"r": "broken"})
    report.queries[:] = [
        QueryResult("a", 9, [], ["1.1", "2.1"], 0.25, 0.75),
        QueryResult("b", 9, [], "x", 0.5),
    ]
    assert shown(_say, report) == [
        "query ec reliability right then",
        "a 1.1, 2.1 0.250 0.750",
        "b x 0.500 -",
        "labels of 3 nearest of 1,111 training proteins; what a reliability is worth was measured "
        "on 2,222 proteins of valid",
        "3,333 proteins searched by X, 4,444 without an embedding not",
        "failed: r: broken",
    ]
    report.queries[:] = [QueryResult("a", 9, [], 1.5, 0.25, 0.75)]
    assert shown(_say, report)[0] == "query ec reliability error on valid"
    assert shown(_say, SearchReport("X", "ab", 3333, 0)) == ["3,333 proteins searched by X"]
