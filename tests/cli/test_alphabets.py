"""``sesstore alphabets``."""

from __future__ import annotations

from pathlib import Path

from sesstore.alphabets import ALPHABETS


def test_alphabets_are_declared_listed_and_imported(cli) -> None:
    Path("contact.toml").write_text('name = "contact"\nletters = "LMH"\n[aliases]\n"-" = "#"\n')
    Path("known.fasta").write_text(">P1\nMKVLA\n")
    Path("t.fasta").write_text(">P1\nLMH-L\n")
    assert "4,096 codes" in cli("alphabets").out
    done = cli("alphabets", "contact.toml", "--json").json
    assert [one["name"] for one in done["alphabets"]][:2] == ["foldseek", "dssp"]
    assert "contact" in [one["name"] for one in done["alphabets"]]
    words = ("--import", "fasta", "--alphabet", "contact", "--sequences", "known.fasta")
    found = cli("tokens", "t.fasta", "--source", "x", *words, "--json").json
    assert (found["chains"], found["residues"], found["coverage"]) == (1, 5, 0.8)
    assert "contact 1" in cli("info").out
    ALPHABETS.pop("contact")  # another process: it travels with the store
    assert "contact" in cli("alphabets").out
    assert cli("verify", "--json").json["checked"]["alphabets"] == 1
    Path("contact.toml").write_text('name = "contact"\nletters = "ABC"\n')
    again = cli("alphabets", "contact.toml")
    assert again.status == 2
    assert "an alphabet 'contact' with other states" in again.err
