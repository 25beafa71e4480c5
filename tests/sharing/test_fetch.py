"""Whoever shares may lie: nothing is written outside the store, and what is stored verifies."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import FingerprintMismatchError, SesstoreError, StoreError
from sesstore.sharing import limits, share_paths
from sesstore.sharing.fetch import _open_unlinked, make_encoder_folder
from sesstore.sharing.places import FolderRemote
from sesstore.sharing.pull import pull
from sesstore.sharing.pull_context import Selection
from sesstore.store import Store, layout
from sesstore.store.integrity import verify
from sesstore.store.task_files import read_task
from sesstore.tasks import Task

from ..store.conftest import Disk


def test_links_are_not_followed(forgery, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    segment = next(forgery.path.glob("embeddings/*/2*"))
    shutil.move(segment / "values", secret / "values")
    (segment / "values").symlink_to(secret / "values")
    assert "leads out" in forgery.refused()
    assert not list((tmp_path / "mine").glob(f"embeddings/*/{segment.name}"))


def test_a_link_in_the_way_is_not_written_through(forgery, tmp_path):
    """Somebody who can write into the cache must not redirect what is pulled."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    mine = Store.create(tmp_path / "mine")
    segment = next(forgery.path.glob("embeddings/*/2*"))
    folder = mine.path / segment.parent.relative_to(forgery.path)
    folder.mkdir(parents=True)
    shutil.copy(segment.parent / "zarr.json", folder)
    (folder / f".pull-{segment.name}").symlink_to(elsewhere)
    with pytest.raises((SesstoreError, OSError)):
        pull(mine, str(forgery.path))
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("link", ["values", "values/c.0.0", "digests", "offsets/c.0"])
def test_a_link_within_an_interrupted_pull_is_not_written_through(forgery, tmp_path, link):
    """Neither as the last part of a file's path nor before it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "c.0.0").write_bytes(b"theirs")
    mine = Store.create(tmp_path / "mine")
    segment = next(forgery.path.glob("embeddings/*/2*"))
    unfinished = mine.path / segment.parent.relative_to(forgery.path) / f".pull-{segment.name}"
    place = unfinished / link
    place.parent.mkdir(parents=True)
    shutil.copy(segment.parent / "zarr.json", unfinished.parent)
    place.symlink_to(elsewhere / "c.0.0" if "." in link else elsewhere)
    with pytest.raises(StoreError, match="leads elsewhere by a link"):
        pull(mine, str(forgery.path))
    assert {file.name: file.read_bytes() for file in elsewhere.iterdir()} == {"c.0.0": b"theirs"}


def test_changed_bytes_anywhere(forgery, tmp_path):
    """One byte changed in any file that is fetched: found, and nothing bad is stored."""
    rng = np.random.default_rng(0)
    files = sorted(forgery.path.glob("embeddings/*/*/**/*.*")) + sorted(
        forgery.path.glob("share/[bt]*/*")
    )
    files += [forgery.path / share_paths.INDEX]
    for number, path in enumerate(rng.choice([f for f in files if f.is_file()], 25, replace=False)):
        original = path.read_bytes()
        changed = bytearray(original)
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        mine = tmp_path / f"mine{number}"
        with pytest.raises(SesstoreError):
            pull(mine, str(forgery.path))
        path.write_bytes(original)
        if mine.exists():
            assert verify(mine).ok
            shutil.rmtree(mine)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("offsets/c.0", lambda raw: raw[::-1]),
        ("offsets/c.0", lambda raw: np.frombuffer(raw, "<i8").clip(0, 3).tobytes()),
        ("digests/c.0.0", lambda raw: raw[:32] * (len(raw) // 32)),
        ("values/c.0.0", lambda raw: b"\xff\x7f" * (len(raw) // 2)),
        ("values/zarr.json", lambda raw: raw.replace(b"16\n", b"99\n")),
        ("values/zarr.json", lambda raw: b"{}"),
        ("zarr.json", lambda raw: raw.replace(b"enc", b"cne")),
        ("zarr.json", lambda raw: b"[" * 50_000),
    ],
)
def test_a_sender_who_lies_well(forgery, file, change):
    segment = forgery.segments()[0]
    forgery.reseal(segment, file, change((segment / file).read_bytes()))
    refused_whole = forgery.refused(Selection(plms=("enc",)))
    assert "refused" in refused_whole


@pytest.mark.parametrize("ids", [(), ("s0p0", "s0p1")], ids=["whole", "parts"])
def test_embeddings_of_another_length_than_the_sequence(forgery, ids):
    """Two digests exchanged: every hash fits, but not the sequences."""
    segment = forgery.segments()[0]
    raw = (segment / "digests/c.0.0").read_bytes()
    forgery.reseal(segment, "digests/c.0.0", raw[32:64] + raw[:32] + raw[64:])
    assert "another length" in forgery.refused(Selection(ids=ids, plms=("enc",)))


def test_a_stream_that_never_ends(forgery, monkeypatch):
    def endless(self, path, start=0):
        if path == share_paths.INDEX:
            yield (forgery.path / share_paths.INDEX).read_bytes()
        while path != share_paths.INDEX:
            yield bytes(1 << 16)

    monkeypatch.setattr(FolderRemote, "stream", endless)
    assert "refused" in forgery.refused()


def test_more_than_there_is_room_for(forgery, tmp_path, monkeypatch):
    import shutil as system

    usage = system.disk_usage(tmp_path)
    monkeypatch.setattr(system, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(StoreError, match="are free"):
        pull(tmp_path / "mine", str(forgery.path))
    assert not list((tmp_path / "mine").glob("embeddings/*/*2*"))


def task_in(raw: bytes, path) -> Task:
    """The task a file holds."""
    beside = path.with_name("toy.jsonl")
    beside.write_bytes(raw)
    found = read_task(beside)
    beside.unlink()
    return found


OFFSETS = [
    lambda raw: np.r_[-3, raw[1:]],
    lambda raw: np.r_[1, raw[1:]],
    lambda raw: raw + 1,
    lambda raw: np.where(np.arange(len(raw)) == len(raw) - 1, raw + 1, raw),
    lambda raw: np.where(np.arange(len(raw)) == 5, raw[4], raw),
    lambda raw: np.where(np.arange(len(raw)) == 5, raw[7], raw),
    lambda raw: np.where(np.arange(len(raw)) == 5, -(2**63), raw),
    # Steps that are upwards only as long as nobody sees them overflow.
    lambda raw: np.r_[0, 2**62, -(2**63) + 2, -(2**62), raw[4:]],
]


@pytest.mark.parametrize("change", OFFSETS)
@pytest.mark.parametrize("ids", [(), ("s0p3", "s0p60", "s0p150")], ids=["whole", "parts"])
def test_offsets_that_do_not_grow(forgery, change, ids):
    for segment in forgery.segments():
        raw = np.frombuffer((segment / "offsets/c.0").read_bytes(), "<i8")
        forgery.reseal(segment, "offsets/c.0", change(raw).astype("<i8").tobytes())
    assert "grow" in forgery.refused(Selection(ids=ids, plms=("enc",)))


def test_another_task_behind_the_back_of_the_index(forgery):
    """Of the same size, and sound in itself."""
    (path,) = (forgery.path / "share/tasks").iterdir()
    raw = path.read_bytes()
    document = forgery.index()
    store = Store.create(forgery.path.with_name("other"))
    store.add_task(replace(task_in(raw, path), monitor="mcc", metrics=("mcc",), citation="x" * 5))
    other = (store.path / "tasks/toy.jsonl").read_bytes()
    path.write_bytes(other)
    document["tasks"]["toy"]["bytes"] = len(other)
    forgery.replace_index(document)
    assert "not what the index says" in forgery.refused(Selection(plms=(), sources=()))


def test_what_is_wrong_of_an_interrupted_pull_is_fetched_again(forgery, tmp_path):
    """A file that is as long as it must be, one that is too long, one that is another's start."""
    mine = Store.create(tmp_path / "mine")
    segment = forgery.segments()[0]
    folder = mine.path / segment.parent.relative_to(forgery.path)
    folder.mkdir()
    shutil.copy(segment.parent / "zarr.json", folder)
    left = folder / f".pull-{segment.name}"
    (left / "values").mkdir(parents=True)
    (left / "digests").mkdir()
    values = (segment / "values/c.0.0").read_bytes()
    (left / "values/c.0.0").write_bytes(values[:-1] + bytes([values[-1] ^ 1]))
    (left / "digests/c.0.0").write_bytes((segment / "digests/c.0.0").read_bytes() + b"x")
    (left / "values/zarr.json").write_bytes((segment / "values/zarr.json").read_bytes()[:50])
    report = pull(mine, str(forgery.path), Selection(plms=("enc",)))
    assert report.embeddings == 200
    assert verify(mine.path).ok


def test_one_protein_of_an_impossible_size(forgery, monkeypatch):
    monkeypatch.setattr(limits, "PROTEIN_BYTES", 100)
    chosen = Selection(ids=("s0p3", "s0p60", "s0p150"), plms=("enc",))
    assert "larger than one may be" in forgery.refused(chosen)


def test_fewer_files_than_the_metadata_say(forgery):
    """Parts are looked for in the file the metadata point to, not in one that is not listed."""
    for segment in forgery.segments():
        raw = layout.parse((segment / "values/zarr.json").read_bytes())
        shape = tuple(raw["shape"])
        few = layout.sharded_metadata(shape, "float16", 16, 16)
        forgery.reseal(segment, "values/zarr.json", few)
    assert "fewer files" in forgery.refused(Selection(ids=("s0p3", "s0p60"), plms=("enc",)))


def test_a_task_under_another_ones_name(forgery):
    document = forgery.index()
    document["tasks"]["other"] = document["tasks"].pop("toy")
    forgery.replace_index(document)
    assert "calls itself 'toy'" in forgery.refused(Selection(plms=(), sources=()))
    assert not (forgery.path.with_name("mine")).exists()  # no empty store is left behind


@pytest.mark.parametrize("encoder", ["enc", "int"])
def test_a_segment_that_arrives_is_on_disk_before_it_has_its_name(
    published, tmp_path, monkeypatch, encoder
):
    disk = Disk(monkeypatch)
    pull(tmp_path / "mine", str(published), Selection(plms=(encoder,), sources=()))
    store = Store.open(tmp_path / "mine")
    assert {str(s.path) for s in store.embeddings().segments} <= set(disk.renames)
    disk.check(tmp_path)


def test_an_encoder_is_stored_in_one_type(kit, tmp_path):
    store, made = Store.create(tmp_path / "store"), kit.provenance()
    folder = make_encoder_folder(store, made)
    assert folder == store.path / "embeddings" / layout.encoder_folder(made)
    assert make_encoder_folder(store, made) == folder
    assert [p.to_json() for p in store.encoders()] == [made.to_json()]
    with pytest.raises(FingerprintMismatchError):
        make_encoder_folder(store, replace(made, dtype="float32"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files cannot be listed here")
def test_no_folder_stays_open_for_a_file_that_is_written(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for number in range(3):
        os.close(_open_unlinked(tmp_path / str(number)))
    with pytest.raises(FileNotFoundError):
        _open_unlinked(tmp_path / "none" / "file")
    (tmp_path / "link").symlink_to(tmp_path / "0")
    with pytest.raises(StoreError):
        _open_unlinked(tmp_path / "link")
    assert len(os.listdir("/proc/self/fd")) == len(before)
