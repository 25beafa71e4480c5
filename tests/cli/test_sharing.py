"""push, pull and merge from the command line."""

from __future__ import annotations

import http.server
import threading
from functools import partial
from pathlib import Path

import pytest

from sesstore.store import Store


def test_out_and_in(cli, trained: Path) -> None:
    said = cli("push", "there", "--json")
    assert said.status == 0
    assert said.json["bytes"] > 0
    assert cli("push", "there", "--json").json["bytes"] == 0
    said = cli("pull", "there", "--store", "mine", "--json")
    assert (said.status, said.json["embeddings"], said.json["tasks"]) == (0, 40, ["deeploc_binary"])
    assert cli("diff", "store", "mine").status == 0
    assert cli("verify", "--store", "mine").status == 0
    said = cli("merge", "there", "mine", "--store", "all", "--json")
    assert [one["embeddings"] for one in said.json["merged"]] == [40, 0]
    assert cli("diff", "store", "all").status == 0


def test_parts(cli, trained: Path) -> None:
    Path("ids.txt").write_text("# some\np0_1\np0_2\n")
    said = cli("pull", "store", "--ids", "ids.txt", "--plm", "none", "--store", "few", "--json")
    assert (said.json["proteins"], said.json["embeddings"]) == (2, 0)
    said = cli("pull", "store", "--ids", "ids.txt", "--store", "few")
    assert "2 embeddings (0 whole segments and parts of 1)" in said.out
    (protein, _) = Store.open("few").proteins()
    Path("one.fasta").write_text(f">whatever\n{protein.sequence}\n")
    said = cli("pull", "store", "--ids", "one.fasta", "--store", "one", "--json")
    assert (said.json["proteins"], said.json["embeddings"]) == (1, 1)
    said = cli("pull", "store", "--task", "deeploc_binary", "--source", "none", "--store", "task")
    assert "40 sequences, tokens of 0, 40 embeddings" in said.out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("push http://127.0.0.1:9/x", 2, "can only be read"),
        ("push ftp://example.org/x", 2, "ftp:// is not known"),
        ("push run", 1, "holds other things"),
        ("push there --store none", 2, "there is no store"),
        ("pull none --store new", 2, "there is no store at 'none'"),
        ("pull run --store new", 2, "there is no store at 'run'"),
        ("pull store --task deeploc --store new", 2, "Did you mean 'deeploc_binary'?"),
        ("pull store --plm esm2 --store new", 2, "no encoder of the shared store"),
        ("pull store --source pdb --store new", 2, "no source of tokens"),
        ("pull store --ids none.txt --store new", 2, "there is no file 'none.txt'"),
        ("merge none --store new", 2, "there is no store"),
        ("merge store", 2, "itself"),
    ],
)
def test_what_cannot_be_is_said(cli, trained: Path, words: str, status: int, said: str) -> None:
    done = cli(*words.split())
    assert said in done.err
    assert done.status == status
    assert not list(Path("new").glob("embeddings/*-*"))


def test_a_task_that_differs_stays_and_is_named(cli, trained: Path, data: Path) -> None:
    cli("pull", "store", "--plm", "none", "--store", "other")
    rows = Path("other/tasks/deeploc_binary.jsonl")
    rows.unlink()
    Path("changed").mkdir()
    for file in data.iterdir():
        text = file.read_text()
        flipped = text.replace('"label": 0', '"label": 9').replace('"label": 1', '"label": 0')
        (Path("changed") / file.name).write_text(flipped.replace('"label": 9', '"label": 1'))
    words = ("add", "deeploc_binary", "--data", "changed", "--source", "alphafold2")
    assert cli(*words, "--store", "other").status == 0
    said = cli("merge", "other")
    assert said.status == 1
    assert "task deeploc_binary is different here" in said.out


def test_training_straight_from_a_server(cli, trained: Path) -> None:
    """The store is somewhere else; what the task needs comes along."""
    handler = partial(Quiet, directory=str(Path("there").absolute()))
    assert cli("push", "there").status == 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        where = f"http://127.0.0.1:{server.server_port}"
        words = ("--store", where, "--json")
        said = cli("train", "deeploc_binary", "--epochs", "1", "--heads", "2", *words)
        assert said.status == 0, said.err
        assert "bytes pulled into" in said.err
        again = cli("evaluate", said.json["run"], *words)
        assert again.status == 0, again.err
        assert "pulled" not in again.err
        assert cli("train", "deeploc", *words).status == 2
    finally:
        server.shutdown()
        server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Python's file server, silent."""

    def log_message(self, *_: object) -> None:
        pass


def test_a_store_whose_home_is_object_storage(cli, data: Path, bucket: str) -> None:
    """All the way without a folder: add, embed, train from the bucket; what is there is known."""
    at = ("--store", bucket)
    said = cli("embed", "--plm", "blosum62", *at)
    assert (said.status, "no shared store" in said.err) == (1, True)
    said = cli("add", "deeploc_binary", "--data", data, "--source", "alphafold2", *at, "--json")
    assert (said.status, said.json["sequences"]) == (0, 40)
    said = cli("embed", "--plm", "blosum62", "deeploc_binary", *at, "--json")
    assert (said.status, said.json["encoded"]) == (0, 40)
    said = cli("embed", "--plm", "blosum62", *at, "--json")
    assert (said.status, said.json["encoded"], said.json["already_stored"]) == (0, 0, 40)
    words = ("train", "deeploc_binary", "--epochs", "1", "--heads", "2", "--out", "run", "--json")
    said = cli(*words, *at)
    assert said.status == 0
    assert "accuracy" in said.json["metrics"]["test"]
    said = cli("gc", *at, "--dry-run", "--json")
    assert (said.status, said.json["removed"]) == (0, [])
    said = cli("embed", "--plm", "blosum62", "--store", "s3://no-such-bucket/x")
    assert (said.status, "no such bucket" in said.err) == (2, True)


def test_plan(cli) -> None:
    said = cli("plan", "--plm", "esm2_t36", "--proteins", "uniref50", "--price-per-gb", "0.1")
    assert said.status == 0
    assert "60,000,000 proteins" in said.out
    assert "H100" in said.out
    Path("a.fasta").write_text(">a\nMKV\n>b\nMKVL\n")
    said = cli("plan", "--plm", "near", "--proteins", "a.fasta", "--json")
    assert (said.json["residues"], said.json["exact"]) == (7, True)
    said = cli("plan", "--plm", "near", "--proteins", "swisprot")
    assert (said.status, "Did you mean 'swissprot'" in said.err) == (2, True)
