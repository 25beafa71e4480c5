"""``sesstore push``, and what comes back by ``pull``."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.sharing.push import PushReport


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


def test_every_figure_of_a_push_is_in_its_place(cli, trained: Path, monkeypatch) -> None:
    report = PushReport("there", 1_500_000, 9, 1111, 2222, 3333, ["t"])
    monkeypatch.setattr("sesstore.sharing.push.push", lambda *a, **k: report)
    said = cli("push", "there")
    assert said.status == 1
    assert said.out.splitlines() == [
        "there: 1.5 MB moved; new there: 1,111 segments, 2,222 bundles of sequences and tokens, "
        "3,333 tasks",
        "  task t is different there, and stays as it is there",
        "take it from there with: sesstore pull there",
    ]
