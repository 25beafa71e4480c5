"""verify, repair, compact, gc, diff and card, on a store that is sound and on one that is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def store(trained: Path) -> Path:
    return trained.parent / "store"


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def test_a_sound_store_verifies(cli, store: Path) -> None:
    for words in (("verify",), ("verify", "--quick")):
        said = cli(*words, "--json")
        assert said.status == 0
        assert said.json["ok"] is True
        assert said.json["bad"] == []
        assert said.json["checked"]["proteins"] == 40
    assert "nothing is wrong" in cli("verify").out


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


def test_compaction_and_leftovers(cli, store: Path) -> None:
    (segment,) = store.glob("embeddings/*/*/")
    shutil.copytree(segment, segment.with_name("29991231T000000000000-0000000000000000"))
    unfinished = ".20261127T000000000000-0000000000000000"
    (segment.parent / unfinished).mkdir()
    said = cli("compact", "--json")
    assert said.json["segments_before"] == 2
    assert said.json["segments_after"] == 1
    assert said.json["duplicates"] == 40
    assert cli("gc", "--json").json["removed"] == []  # too young
    said = cli("gc", "--older-than", "0", "--dry-run")
    assert unfinished in said.out
    assert (segment.parent / unfinished).exists()
    cli("gc", "--older-than", "0")
    assert not (segment.parent / unfinished).exists()


def test_comparison_of_stores_and_of_encoders(cli, store: Path) -> None:
    shutil.copytree(store, "other")
    same = cli("diff", "store", "other", "--json")
    assert same.status == 0
    assert same.json["same"] is True
    cli("embed", "--plm", "onehot", "--store", "other")
    differ = cli("diff", "store", "other")
    assert differ.status == 1
    assert "only right" in differ.out
    encoders = cli("diff", "blosum62", "blosum62")
    assert encoders.status == 0
    assert "smallest cosine" in encoders.out
    unknown = cli("diff", "blosum62", "esm3")
    assert unknown.status == 1
    assert "only by" in unknown.err


def test_the_card_is_written(cli, store: Path) -> None:
    said = cli("card", "--title", "Yeast", "--json")
    assert Path(said.json["card"]).read_text().startswith("# Yeast\n")
    assert "## Embeddings" in cli("card", "--show").out


@pytest.mark.parametrize("name", ["verify", "repair", "compact", "gc", "card"])
def test_no_store_is_the_users_error(cli, name: str) -> None:
    said = cli(name, "--store", "none")
    assert said.status == 2
    assert "there is no store" in said.err
