"""Files that systems and copy tools leave anywhere in a store: no fault, never acted on."""

from __future__ import annotations

import shutil

import pytest

from sesstore.sharing.pull import merge
from sesstore.sharing.push import push
from sesstore.store import Store
from sesstore.store.compaction import compact, gc
from sesstore.store.integrity import verify
from sesstore.store.repair import repair

NAMES = [".DS_Store", "._zarr.json", "Thumbs.db", "desktop.ini", ".nfs0000001", "zarr.json~"]
FOLDERS = ["__MACOSX", ".AppleDouble", "@eaDir", "lost+found", ".git"]


@pytest.fixture
def littered(filled):
    """A store with strays in each of its folders, and Finder's copies of its parts."""
    root = filled.store.path
    folders = [root, *(p for p in root.rglob("*") if p.is_dir())]
    for folder in folders:
        for name in NAMES:
            (folder / name).write_bytes(b"\0stray")
        for name in FOLDERS:
            (folder / name).mkdir()
            (folder / name / "x").write_bytes(b"stray")
    encoder = filled.store.encoder_folder("enc_int8")
    segment = filled.store.embeddings("enc_int8").segments[0].path
    shutil.copytree(segment / "values", segment / "values copy")
    shutil.copytree(segment, segment.with_name(f"{segment.name} copy"))
    shutil.copytree(encoder, encoder.with_name(f"{encoder.name} 2"))
    shutil.copy(root / "proteins.lmdb", root / "proteins copy.lmdb")
    shutil.copy(root / "tokens/alphafold2.lmdb", root / "tokens/alphafold2 (1).lmdb")
    shutil.copy(root / "tasks/toy.jsonl", root / "tasks/toy copy.jsonl")
    return filled


def snapshot(root) -> dict:
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and "-lock" not in p.name}


def test_they_are_no_fault_and_repair_touches_nothing(littered):
    root = littered.store.path
    before = snapshot(root)
    report = verify(root)
    assert report.bad == []
    assert report.unreadable == []
    assert any("values copy/c.0.0" in note for note in report.notes)
    assert any("proteins copy.lmdb" in note for note in report.notes)
    assert not any(repair(root).to_json().values())
    gc(littered.store, older_than=0)
    assert snapshot(root) == before


def test_a_store_reads_and_shares_as_without_them(littered, tmp_path):
    store = Store.open(littered.store.path)
    unique = {p.digest for p in littered.proteins}
    assert len(store.encoders()) == 2
    assert store.sources() == ["alphafold2"]
    assert store.tasks() == ["toy"]
    assert len(store.embeddings("enc_int8")) == len(littered.proteins)
    push(store, str(tmp_path / "pushed"))
    merge(tmp_path / "merged", store)
    for place in ("pushed", "merged"):
        other = Store.open(tmp_path / place)
        assert verify(other.path).ok
        assert len(other.embeddings("enc_float16")) == len(littered.proteins)
        assert len(other.tokens("alphafold2")) == len(unique)
    compact(store)
    gc(store, older_than=0)
    assert verify(store.path).ok
    assert len(store.embeddings("enc_int8")) == len(littered.proteins)
