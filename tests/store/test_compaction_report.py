"""What compaction and `gc` say they did is what they did, also where nothing is left to write."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest

from sesstore.errors import CorruptStoreError
from sesstore.store import Store
from sesstore.store.compaction import CompactReport, compact, gc
from sesstore.store.integrity import verify
from sesstore.store.manifest import is_entered

SEGMENT = "20200101T000000000000-00000000deadbeef"


class Bars:
    """Stages with what they were told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None, str, list[int]]] = []

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str):
        self.stages.append((name, total, unit, []))
        yield self

    def advance(self, amount: int = 1) -> None:
        self.stages[-1][3].append(amount)


def size_of(folder) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def handles() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def test_a_segment_of_duplicates_alone_goes_and_nothing_is_written_for_it(tmp_path, kit):
    store, made, known = Store.create(tmp_path / "s"), kit.provenance(), kit.proteins(6)
    for some in (known[:4], known[1:3], known[4:]):
        with store.writer(made, {}) as writer:
            for protein in some:
                writer.add(kit.embedding(protein, made))
    first, second, third = (segment.path for segment in store.embeddings().segments)
    size, bars = size_of(second), Bars()
    report = compact(store, target_bytes=1, progress=bars)
    assert report == CompactReport(3, 2, duplicates=2, bytes_freed=size)
    assert bars.stages == [("compacting", 1, "segments", [1])]
    assert [segment.path for segment in store.embeddings().segments] == [first, third]
    assert not is_entered(second)
    assert verify(store.path).ok
    report = compact(store, progress=bars)
    assert (report.segments_before, report.segments_after, report.duplicates) == (2, 1, 0)
    assert bars.stages[1:] == [("compacting", 2, "segments", [2])]
    assert compact(store, progress=bars).to_json() == CompactReport(1, 1).to_json()
    assert bars.stages[2:] == [("compacting", 0, "segments", [])]


def test_a_merged_segment_says_what_it_was_made_of_and_no_handle_stays_open(tmp_path, kit):
    store, made, known = Store.create(tmp_path / "s"), kit.provenance(), kit.proteins(3)
    for number, protein in enumerate(known):
        with store.writer(made, {"date": "2026", "run": number}) as writer:
            writer.add(kit.embedding(protein, made))
    ids, before = [segment.id for segment in store.embeddings().segments], handles()
    compact(store)
    gc(store, older_than=0)
    assert handles() == before
    (segment,) = store.embeddings().segments
    merged = segment.attributes["circumstances"]
    assert merged["compacted"] == [
        {"segment": name, "date": "2026", "run": number} for number, name in enumerate(ids)
    ]
    assert "zarr" in merged["versions"]


def test_a_compaction_that_failed_is_over(filled):
    """Its lock is let go, no handle stays, and the encoders before it are done."""
    broken = filled.store.embeddings("enc_int8").segments[1].path / "values/c.0.0"
    raw = broken.read_bytes()
    broken.write_bytes(bytes([raw[0] ^ 1]) + raw[1:])
    before = handles()
    for _ in range(2):
        with pytest.raises(CorruptStoreError, match=f"segment {broken.parents[1]}: .*then compact"):
            compact(filled.store)
    assert handles() == before
    assert len(filled.store.embeddings("enc_float16").segments) == 1
    broken.write_bytes(raw)
    assert compact(filled.store, "enc_int8").segments_after == 1


def test_gc_takes_a_link_and_not_what_it_leads_to(filled, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "note").write_text("mine")
    folder = filled.store.encoder_folder("enc_int8")
    (folder / f".{SEGMENT}").symlink_to(tmp_path / "elsewhere")
    (filled.store.path / "tasks" / ".toy.jsonl.0123456789ab").symlink_to("nowhere")
    report = gc(filled.store, older_than=0, set_aside=True)  # which there is none of
    links = [f"embeddings/{folder.name}/.{SEGMENT}", "tasks/.toy.jsonl.0123456789ab"]
    assert sorted(report.removed) == links
    assert report.bytes == len(str(tmp_path / "elsewhere")) + len("nowhere")
    assert not os.path.lexists(folder / f".{SEGMENT}")
    assert (tmp_path / "elsewhere" / "note").read_text() == "mine"


def test_the_entry_of_a_segment_goes_before_it_does(filled, monkeypatch):
    """Killed in between, a store would blame itself for the loss of what was merged."""
    real, entries = os.rename, []

    def rename(old, new):
        if ".gone-" in str(new):
            entries.append(is_entered(old))
        real(old, new)

    monkeypatch.setattr(os, "rename", rename)
    count = len(filled.store.embeddings("enc_int8").segments)
    compact(filled.store, "enc_int8")
    assert entries == [False] * count
