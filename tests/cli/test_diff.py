"""``sesstore diff``: of stores, and of encoders."""

from __future__ import annotations

import shutil
from pathlib import Path


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
