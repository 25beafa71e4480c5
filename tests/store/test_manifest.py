"""What is gone is noticed; what is under way, or was never entered, is no loss."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from sesstore.errors import CorruptStoreError
from sesstore.store import Store, layout
from sesstore.store.atomic_files import sealed
from sesstore.store.compaction import compact, gc
from sesstore.store.integrity import verify
from sesstore.store.manifest import (
    Entry,
    counts_of,
    drop_broken,
    entered,
    entries,
    has_entry,
    is_entered,
    renew,
    strike,
)
from sesstore.store.presence import objects
from sesstore.store.repair import repair


def segments(root: Path) -> list[Path]:
    return sorted(root.glob("embeddings/enc_int8*/2*"))


LOSSES = {
    "proteins": lambda root: (root / "proteins.lmdb").unlink(),
    "proteins and seal": lambda root: [p.unlink() for p in root.glob("proteins.lmdb*")],
    "first segment": lambda root: shutil.rmtree(segments(root)[0]),
    "last segment": lambda root: shutil.rmtree(segments(root)[-1]),
    "all segments": lambda root: [shutil.rmtree(path) for path in segments(root)],
    "encoder": lambda root: shutil.rmtree(segments(root)[0].parent),
    "embeddings": lambda root: shutil.rmtree(root / "embeddings"),
    "tokens": lambda root: (root / "tokens/alphafold2.lmdb").unlink(),
    "tokens folder": lambda root: shutil.rmtree(root / "tokens"),
    "task": lambda root: (root / "tasks/toy.jsonl").unlink(),
    "segment renamed": lambda root: segments(root)[0].rename(segments(root)[0].parent / "old"),
}


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", LOSSES)
def test_what_is_gone_is_noticed(filled, name, quick):
    root = filled.store.path
    assert verify(root, quick=quick).ok
    LOSSES[name](root)
    report = verify(root, quick=quick)
    assert not report.ok
    assert any("it is gone" in fault.what for fault in report.bad)


def test_repair_says_once_what_is_gone(filled):
    root = filled.store.path
    unique = len({p.digest for p in filled.proteins})
    LOSSES["tokens"](root)
    LOSSES["task"](root)
    LOSSES["first segment"](root)
    LOSSES["proteins"](root)
    report = repair(root)
    assert report.lost
    assert report.tasks_lost == ["toy"]
    assert report.tokens_lost == {"alphafold2": []}
    assert report.unnamed == {"tokens/alphafold2.lmdb": unique}
    assert len(report.sequences_lost) == unique
    assert len(report.unlisted) == 1
    assert verify(root).ok
    assert not repair(root).lost


def test_yesterdays_file_put_back_is_noticed(filled, kit):
    """File and seal of an earlier state fit each other; the entry knows better."""
    root = filled.store.path
    copies = {
        p: p.read_bytes() for p in root.glob("tokens/alphafold2.lmdb*") if "-lock" not in p.name
    }
    filled.store.add_tokens(map(kit.tokens, kit.proteins(5, seed=9)), {})
    for path in copies:
        path.unlink()
    for path, data in copies.items():
        path.write_bytes(data)
    (fault,) = verify(root).bad
    assert "an older state" in fault.what
    report = repair(root)
    assert report.unnamed == {"tokens/alphafold2.lmdb": 5}
    assert verify(root).ok


def test_an_older_store_is_sound_and_repair_enters_its_parts(filled):
    root = filled.store.path
    shutil.rmtree(root / layout.MANIFEST)
    report = verify(root)
    assert report.ok
    assert "not in the manifest" in report.notes[0]
    assert not repair(root).lost
    assert verify(root).notes == []
    assert all(is_entered(place) for place in objects(root))
    LOSSES["last segment"](root)
    assert not verify(root).ok


def test_a_broken_entry_is_found_and_made_again(filled):
    root = filled.store.path
    for entry in (root / "manifest/proteins.lmdb", root / "manifest/tasks/toy.jsonl"):
        entry.write_bytes(entry.read_bytes()[:-3])
    assert not verify(root).ok
    (root / "tasks/toy.jsonl").unlink()
    report = repair(root)
    assert report.tasks_lost == ["toy"]
    assert verify(root).ok
    assert json.loads((root / "manifest/proteins.lmdb").read_bytes())["records"] > 0


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_writer_killed_around_its_commit_raises_no_alarm(filled, kit, moment):
    """It ends on the very step that makes the segment exist, or right behind it."""
    store, made = filled.store, filled.provenances[0]
    folder = store.encoder_folder(made.fingerprint)
    known = set(layout.segment_folders(folder))
    child = os.fork()
    if child == 0:
        real = os.rename

        def dying(source, target):
            is_commit = layout.is_segment_id(Path(target).name) and Path(target).parent == folder
            if is_commit and moment == "before":
                os._exit(9)
            real(source, target)
            if is_commit:
                os._exit(9)

        os.rename = dying
        writer = store.writer(made, {})
        writer.add(kit.embedding(kit.proteins(1, seed=5)[0], made))
        writer.commit()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert verify(store.path).ok
    new = set(layout.segment_folders(folder)) - known
    assert len(new) == (moment == "after")
    gc(store, older_than=0)
    assert verify(store.path).ok
    assert verify(store.path).notes == []
    for path in new:  # its entry is pending still, and counts
        assert is_entered(path)
    assert not repair(store.path).lost
    for path in new:
        shutil.rmtree(path)
        assert not verify(store.path).ok


def test_a_full_disk_while_entering_leaves_nothing(filled, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    place = filled.store.path / "tasks/other.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space left"), entered(place):
            place.write_bytes(b"never")
    assert not place.exists()
    assert not is_entered(place)
    assert not list((filled.store.path / "manifest").rglob(".*"))


def test_writers_and_compaction_beside_verify_raise_no_alarm(tmp_path, kit):
    store, made = Store.create(tmp_path / "s"), kit.provenance()
    done = threading.Event()

    def write(seed: int) -> None:
        for protein in kit.proteins(12, seed=seed):
            with store.writer(made, {}) as writer:
                writer.add(kit.embedding(protein, made))
        if seed == 1:
            compact(store)
        done.set()

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    reports = []
    while any(thread.is_alive() for thread in threads):
        reports.append(verify(store.path, quick=True))
    for thread in threads:
        thread.join()
    assert [report.bad for report in reports if report.bad] == []
    compact(store)
    assert verify(store.path).ok
    assert len(list((store.path / "manifest").rglob("2*"))) == 1


def test_other_files_in_the_manifest_are_passed_over(filled):
    root = filled.store.path
    for name in ("notes.txt", "tasks/x.txt", "embeddings/y", ".DS_Store", "tokens/a copy.lmdb"):
        (root / "manifest" / name).parent.mkdir(exist_ok=True)
        (root / "manifest" / name).write_bytes(sealed({}))
    assert verify(root).ok


def test_an_entry_is_pending_until_its_object_is_there(filled):
    """And a step that fails takes it back; of what has an entry nothing is written."""
    root = filled.store.path
    place = root / "tasks/other.jsonl"
    with entered(place, rows=4):
        assert is_entered(place)
        assert not has_entry(place)
        (entry,) = (e for e in entries(root) if e.place == place)
        assert entry == Entry(place, {"rows": 4}, True, root / "manifest/tasks/.other.jsonl")
        assert entry.is_abandoned
        place.write_bytes(b"x")
        assert not entry.is_abandoned
    assert has_entry(place)
    assert not Entry(root / "tasks/none.jsonl", {}, False, place).is_abandoned  # it is lost
    assert counts_of(place) == {"rows": 4}
    assert [e.pending for e in entries(root) if e.place == place] == [False]
    with entered(place, rows=9):
        pass
    assert counts_of(place) == {"rows": 4}
    another = root / "tasks/another.jsonl"
    with pytest.raises(KeyError), entered(another, rows=1):
        raise KeyError
    assert not is_entered(another)
    assert not list((root / "manifest").rglob(".*"))


def test_a_renewed_entry_stands_for_a_pending_one_and_a_struck_one_for_none(filled, monkeypatch):
    root = filled.store.path
    place = root / "tasks/toy.jsonl"
    pending = root / "manifest/tasks/.toy.jsonl"
    steps, real = [], os.fsync

    def synced(handle):
        steps.append((os.readlink(f"/proc/self/fd/{handle}"), is_entered(place)))
        real(handle)

    for _ in range(2):
        pending.write_bytes(sealed({"rows": 1}))
        renew(place, rows=7)
        assert counts_of(place) == {"rows": 7}
        assert not pending.exists()
        pending.write_bytes(sealed({"rows": 1}))
        steps.clear()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", synced)
            strike(place)
        assert steps == [(str(pending.parent), False)]  # on disk, and after both are gone
        assert counts_of(place) is None


def test_only_what_is_part_of_a_store_is_entered(filled, tmp_path):
    """The tasks folder of something else is nobody's; a dot-name is not committed."""
    root = filled.store.path
    before = sorted(root.rglob("*"))
    for place in (
        tmp_path / "tasks/toy.jsonl",
        root / "tasks/.toy.jsonl",
        root / "proteins.lmdb.seal",
        root / "embeddings/zarr.json",
    ):
        renew(place, rows=1)
        with entered(place, rows=1):
            pass
        strike(place)
        assert counts_of(place) is None
        assert not has_entry(place)
        assert not is_entered(place)
    assert not (tmp_path / "manifest").exists()
    assert sorted(root.rglob("*")) == before
    index = root / "share/index.json"
    renew(index, bundles=2)
    assert counts_of(index) == {"bundles": 2}
    assert (root / "manifest/share/index.json").is_file()


def test_broken_entries_are_yielded_and_dropped_with_their_places(filled):
    root = filled.store.path
    segment = segments(root)[0]
    broken = [root / "manifest" / p.relative_to(root) for p in (segment, root / "proteins.lmdb")]
    for entry in broken:
        entry.write_bytes(entry.read_bytes()[:-3])
    kinds = [type(entry) for entry in entries(root)]
    assert kinds.count(CorruptStoreError) == 2
    assert kinds.count(Entry) == len(list(objects(root))) - 2
    assert counts_of(segment) is None
    assert set(drop_broken(root)) == {segment, root / "proteins.lmdb"}
    assert not any(entry.exists() for entry in broken)
    assert drop_broken(root) == []
    assert len(list(entries(root))) == len(list(objects(root))) - 2
