"""``sesstore info``."""

from __future__ import annotations

from pathlib import Path


def test_a_store_is_told_in_full(cli, trained: Path) -> None:
    summary = cli("info", "--json").json
    assert summary["proteins"] == 40
    (encoder,) = summary["encoders"]
    assert encoder["proteins"] == 40
    text = cli("info").out
    for part in (encoder["fingerprint"][:12], "alphafold2", "deeploc_binary", "single_label"):
        assert part in text
