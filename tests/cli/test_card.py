"""``sesstore card``."""

from __future__ import annotations

from pathlib import Path


def test_the_card_is_written(cli, store: Path) -> None:
    said = cli("card", "--title", "Yeast", "--json")
    assert Path(said.json["card"]).read_text().startswith("# Yeast\n")
    assert "## Embeddings" in cli("card", "--show").out
