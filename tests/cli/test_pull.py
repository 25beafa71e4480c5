"""``sesstore pull`` of parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from sesstore_cli.pull import say_pull

from sesstore.sharing.pull_context import PullReport
from sesstore.store import Store


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
    ("conflicts", "more"), [(0, None), (5, None), (6, "and 1 more (see --json)")]
)
def test_every_figure_of_a_pull_is_in_its_place(shown, conflicts: int, more: str | None) -> None:
    names = [f"task t{n}" for n in range(conflicts)]
    report = PullReport("there", 1_500_000, 1111, 2222, 3333, 4444, 5555, ["a", "b"], names, 6666)
    first, missing, *rest = shown(say_pull, report)
    assert first == (
        "there: 1.5 MB moved; new here: 1,111 sequences, tokens of 2,222, 3,333 embeddings (4,444 "
        "whole segments and parts of 5,555), tasks: a, b"
    )
    assert missing == "6,666 proteins have no embedding there: `sesstore embed`"
    assert rest[:1] == (["task t0 is different here, and stays as it is here"] if names else [])
    assert rest[5:] == ([more] if more else [])
    (line,) = shown(say_pull, PullReport("there"))
    assert line.endswith("tasks: none")


def test_what_is_different_here_makes_the_status(cli, trained: Path, monkeypatch) -> None:
    for conflicts, status in (([], 0), (["task t"], 1)):
        report = PullReport("there", conflicts=conflicts)
        monkeypatch.setattr("sesstore.sharing.pull.pull", lambda *a, report=report, **k: report)
        assert cli("pull", "there").status == status
