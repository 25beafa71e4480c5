"""``sesstore pull`` of parts."""

from __future__ import annotations

from pathlib import Path

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
