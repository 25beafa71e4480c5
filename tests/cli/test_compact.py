"""``sesstore compact``, and ``gc`` after it."""

from __future__ import annotations

import shutil
from pathlib import Path

from sesstore.store.compaction import CompactReport


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


def test_every_figure_of_a_compaction_is_in_its_place(cli, store: Path, monkeypatch) -> None:
    calls = []

    def compact(store: object, plm: object, **options: object) -> CompactReport:
        calls.append(options["target_bytes"])
        return CompactReport(1234, 5, 6789, 1_500_000, ["set-aside/notes.txt"])

    monkeypatch.setattr("sesstore.store.compaction.compact", compact)
    lines = cli("compact", "--target-mb", "3").out.splitlines()
    assert lines[0] == "1,234 segments became 5; 6,789 duplicates dropped, 1.5 MB freed"
    assert lines[1].endswith("set-aside/notes.txt")
    cli("compact")
    assert calls == [3_000_000, 2_048_000_000]
    monkeypatch.setattr(
        "sesstore.store.compaction.compact", lambda *a, **k: CompactReport(bytes_freed=-9)
    )
    assert cli("compact").out.endswith("0 B freed\n")
