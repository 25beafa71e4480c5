"""``sesstore repair``."""

from __future__ import annotations

from pathlib import Path


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def test_damage_is_found_repaired_and_listed(cli, store: Path) -> None:
    flip(next(store.glob("embeddings/*/*/values/c.0.0")))
    said = cli("verify", "--json")
    assert said.status == 1
    (fault,) = said.json["bad"]
    assert "values/c.0.0" in fault["what"]
    assert cli("verify", "--quick").status == 0  # quick does not read values
    said = cli("repair", "--json")
    assert said.status == 1
    (again,) = said.json["embed_again"].values()
    assert len(again) == 40
    assert cli("verify").status == 0
    assert cli("embed", "--plm", "blosum62").status == 0
    assert "nothing was wrong" in cli("repair").out
    said = cli("gc", "--set-aside", "--json")
    assert said.json["removed"] == ["set-aside"]


def test_repair_says_what_to_do(cli, store: Path) -> None:
    flip(store / "tasks" / "deeploc_binary.jsonl")
    said = cli("repair")
    assert said.status == 1
    assert "1 task lost (`sesstore add`): deeploc_binary" in said.out
