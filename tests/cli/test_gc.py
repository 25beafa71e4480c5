"""``sesstore gc``."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sesstore.store.compaction import GcReport


@pytest.mark.parametrize(
    ("words", "minutes", "goes"),
    [((), 59, False), ((), 61, True), (("--older-than", "5"), 4, False),
     (("--older-than", "5"), 6, True)],
)  # fmt: skip
def test_ages_are_in_minutes(
    cli, trained: Path, words: tuple[str, ...], minutes: int, goes: bool
) -> None:
    (encoder,) = [p for p in Path("store/embeddings").iterdir() if p.is_dir()]
    left = encoder / ".20261127T000000000000-0000000000000000"
    left.mkdir()
    then = time.time() - 60 * minutes
    os.utime(left, (then, then))
    cli("gc", *words)
    assert left.exists() is not goes


def test_what_goes_is_counted_and_a_dry_run_says_would(cli, trained: Path, monkeypatch) -> None:
    report = GcReport([f"a{n}" for n in range(2)], 2_500_000)
    monkeypatch.setattr("sesstore.store.compaction.gc", lambda store, **options: report)
    assert cli("gc").out.splitlines() == ["removed a0", "removed a1", "2 leftovers, 2.5 MB freed"]
    dry = cli("gc", "--dry-run").out.splitlines()
    assert dry == ["would remove a0", "would remove a1", "2 leftovers, 2.5 MB would be freed"]
    assert cli("gc", "--json").json == {
        "removed": ["a0", "a1"],
        "bytes": 2_500_000,
        "dry_run": False,
    }
    assert cli("gc", "--json", "--dry-run").json["dry_run"] is True
