"""``sesstore info``."""

from __future__ import annotations

from pathlib import Path

from sesstore.memory import size


def test_a_store_is_told_in_full(cli, trained: Path) -> None:
    summary = cli("info", "--json").json
    assert summary["proteins"] == 40
    (encoder,) = summary["encoders"]
    assert encoder["proteins"] == 40
    text = cli("info").out
    for part in (encoder["fingerprint"][:12], "alphafold2", "deeploc_binary", "single_label"):
        assert part in text


def test_figures_are_those_of_the_record(cli, trained: Path) -> None:
    (encoder,) = cli("info", "--json").json["encoders"]
    lines = [" ".join(line.split()) for line in cli("info").out.splitlines()]
    assert f"residues {encoder['residues']:,}" in lines
    assert f"proteins {encoder['proteins']}" in lines
    values = f"float16 [N, {encoder['provenance']['dim']}], {size(encoder['bytes'])}, 1 segment"
    assert f"stored as {values}" in lines
    assert f"weights sha256 {encoder['provenance']['fingerprint']['weights_sha256'][:16]}" in next(
        line for line in lines if line.startswith("weights")
    ).replace("...", "")
    assert any(
        line.startswith("deeploc_binary single_label 2 train 24, valid 8, test 8") for line in lines
    )
    assert any("alphafold2 40 foldseek 40, dssp 40" in line for line in lines)
