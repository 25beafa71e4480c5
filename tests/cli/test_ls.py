"""``sesstore ls``."""

from __future__ import annotations

from pathlib import Path

from sesstore.memory import size


def test_a_line_names_each_part(cli, trained: Path) -> None:
    said = cli("ls")
    assert "40 sequences" in said.out
    assert "BLOSUM62" in said.out
    assert "alphafold2" in said.out
    assert "deeploc_binary" in said.out
    summary = cli("ls", "--json").json
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert any(line.endswith(f"40 proteins {size(summary['bytes'])}") for line in lines)
    assert "tokens alphafold2 40 proteins" in lines
    assert "task deeploc_binary 40 rows single_label" in lines
