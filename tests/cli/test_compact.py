"""``sesstore compact``, and ``gc`` after it."""

from __future__ import annotations

import shutil
from pathlib import Path


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
