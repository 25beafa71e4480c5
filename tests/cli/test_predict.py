"""``sesstore predict`` as people use it: pipes, seeds, tables, things that fail."""

from __future__ import annotations

import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sesstore_cli.predict import say_report

from sesstore.jobs.predicting.predict import PredictReport


def piped(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))


def test_a_pipe_without_a_store(cli, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree("store")
    piped(monkeypatch, b">a\nACDEFGHIKL\n>b\nKLMNPQRSTV\n>a\nACDEFGHIKL\n")
    said = cli("predict", trained, "-", "--no-store")
    assert said.status == 0, said.err
    header, *rows = said.out.splitlines()
    assert header.startswith("id,length,structure,unmasked,encoder,label,")
    assert [row.split(",")[0] for row in rows] == ["a", "b", "a"]
    assert rows[0] == rows[2]
    assert "none of them stored" in said.err
    assert not Path("store").exists()


def test_a_wrong_pipe_leaves_nothing(cli, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b">a\nACDEF\n>b\nAC?EF\n")
    said = cli("predict", trained, "-", "--out", "new.csv")
    assert said.status == 2
    assert said.err.startswith("error: standard input, line 4 (b): letter '?' at position 3")
    assert not list(Path().glob("new*"))


def test_of_several_seeds_the_folder_is_enough(cli, trained: Path) -> None:
    words = "train deeploc_binary --structure none --epochs 1 --heads 2 --seeds 2 --out two --quiet"
    assert cli(*words.split()).status == 0
    report = cli("predict", "two", "deeploc_binary", "--out", "all.jsonl", "--json").json
    assert (report["adapters"], report["proteins"], report["out"]) == (2, 40, "all.jsonl")
    rows = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    assert len(rows) == 40
    assert not any(row["structure"] for row in rows)


def test_a_broken_structure_is_listed_and_the_others_are_predicted(
    cli, trained: Path, shared_structures: Path
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    files = [shared_structures / name for name in ("4gxy.pdb", "1aki.pdb")]
    said = cli("predict", trained, *files, "--source", "pdb", "--out", "s.parquet", "--no-store")
    assert said.status == 1
    assert "failed: " in said.err
    assert "4gxy.pdb" in said.err
    (row,) = pq.read_table("s.parquet").to_pylist()
    assert (row["id"], row["structure"], row["unmasked"]) == ("1aki", True, 1.0)


def test_attention_is_written_onto_structures(cli, trained: Path, shared_structures: Path) -> None:
    words = "train deeploc_binary --structure none --epochs 1 --heads 2 --head paper --out paper -q"
    assert cli(*words.split()).status == 0
    Path("bad.pdb").write_text("nothing\n")
    files = (shared_structures / "1aki.pdb", "bad.pdb", shared_structures / "4gxy.pdb")
    said = cli(
        "predict", "paper", *files, "--source", "pdb", "--bfactors", "coloured", "--no-store",
        "--json",
    )  # fmt: skip
    assert said.status == 1
    assert [row["id"] for row in said.json["rows"]] == ["1aki"]
    written = said.json["bfactors"]
    assert (written["files"], written["residues"]) == (["coloured/1aki.pdb"], 129)
    assert "bad.pdb" in written["failed"]
    assert written["failed"].keys() <= said.json["failed"].keys()
    assert len(written["failed"]) > 1
    assert Path("coloured/1aki.pdb").is_file()
    assert "1 structure written to coloured, B-factors are attention, 1 is the mean" in said.err
    assert "129 residues have a value, 0 have none (-1), 0 of the proteins'" in said.err
    none = cli("predict", "paper", "ACDEFGHIKL", "--bfactors", "other")
    assert (none.status, "no structure to write predictions onto" in none.err) == (2, True)
    assert not Path("other").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("predict run deeploc_binary --out no/new.csv", "there is no folder 'no'"),
        ("predict run deeploc_binary --out store", "not ''"),
        ("predict run deeplok_binary --no-store", "Did you mean 'deeploc_binary'?"),
    ],
)
def test_what_is_wrong_is_said_first(cli, trained: Path, words: str, said: str) -> None:
    done = cli(*words.split())
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert done.err.startswith("error: ")
    assert said in done.err


def test_predict_embeds_what_is_new_and_says_what_has_no_structure(cli, trained: Path) -> None:
    Path("new.fasta").write_text(">fresh\nACDEFGHIKLMNPQ\n")
    said = cli("predict", trained, "new.fasta")
    assert said.status == 0
    columns = "id,length,structure,unmasked,encoder,label,p_membrane,p_soluble,distance,far"
    assert said.out.splitlines()[0] == columns
    assert said.out.splitlines()[1].startswith("fresh,14,False,")
    assert "1 protein, 0 with structure" in said.err
    assert "embedding with blosum62" in said.err
    again = cli("predict", trained, "new.fasta")
    assert again.out == said.out
    assert "embedding with" not in again.err


def test_every_figure_of_a_prediction_is_in_its_place(shown) -> None:
    report = PredictReport(
        "r", "t", "X", "ab", 1, kept=False, proteins=1111, with_structure=2222, embedded=3333,
        far=4444, failed={"p": "broken"}, out="new.csv",
    )  # fmt: skip
    assert shown(say_report, report) == [
        "1,111 predictions written to new.csv",
        "t by X: 1,111 proteins, 2,222 with structure, 3,333 embedded now, none of them stored, "
        "1 failed",
        "caution: 4,444 of 1,111 proteins are farther from every training protein than 99 % of "
        "those are from each other (column far): nothing like them was learned from, and no other "
        "column knows it",
        "failed: p: broken",
    ]
    for change, stored in (({"kept": True}, False), ({"embedded": 0}, False), ({}, True)):
        (line,) = shown(say_report, replace(report, out=None, far=0, failed={}, **change))
        assert ("none of them stored" in line) is stored
