"""``sesstore ls``."""

from __future__ import annotations

from pathlib import Path


def test_a_line_names_each_part(cli, trained: Path) -> None:
    said = cli("ls")
    assert "40 sequences" in said.out
    assert "BLOSUM62" in said.out
    assert "alphafold2" in said.out
    assert "deeploc_binary" in said.out
