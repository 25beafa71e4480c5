"""``sesstore gc``."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest


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
