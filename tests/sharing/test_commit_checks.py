"""Commits beside cleanups: what is sent when, and what a cleanup may remove."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from sesstore.errors import NotStoredError, StoreError
from sesstore.sharing import cleanup, share_paths
from sesstore.sharing.cleanup import (
    MARKS,
    SET_ASIDE,
    Mark,
    commit_checked,
    missing_files,
    named_files,
    remote_gc,
)
from sesstore.sharing.commits import commit
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.places import FolderRemote
from sesstore.sharing.push import push
from sesstore.sharing.share_index import (
    BundleEntry,
    EncoderEntry,
    FileEntry,
    Index,
    SegmentEntry,
    TaskEntry,
)

SEGMENT = "20261127T000000000000-0123456789abcdef"


class Place:
    """A place of objects, of which some do not stay."""

    url = "there"

    def __init__(self, fickle: int = 0) -> None:
        self.sizes: dict[str, int] = {}
        self.steps: list[object] = []
        self.fickle = fickle
        self.marks: list = []

    def size(self, path: str) -> int | None:
        return self.sizes.get(path)

    def listing(self, _: str) -> list:
        self.steps.append("looked for marks")
        return self.marks

    def send(self, batch: list[tuple[str, Path]]) -> None:
        self.steps.append([path for path, _ in batch])
        self.sizes.update({path: file.stat().st_size for path, file in batch})
        if self.fickle and len(self.steps) > 1:
            self.fickle -= 1
            self.sizes.pop("b", None)

    def commit(self) -> str:
        self.steps.append("committed")
        if self.fickle:
            self.sizes.pop("b", None)
        return "its name"


@pytest.fixture
def files(tmp_path: Path) -> list[tuple[str, Path]]:
    for name in "abc":
        (tmp_path / name).write_bytes(b"12345")
    return [(name, tmp_path / name) for name in "abc"]


def test_what_is_missing_is_sent_before_a_commit_and_again_after_it(files):
    place, notes = Place(fickle=1), []
    place.sizes = {"a": 5, "c": 4}
    progress = SimpleNamespace(note=notes.append)
    assert commit_checked(place, files, place.send, place.commit, progress) == "its name"
    assert place.steps == [
        ["b", "c"], "committed", "looked for marks", ["b"], "looked for marks", ["b"],
        "looked for marks",
    ]  # fmt: skip
    assert notes == ["sending 1 files again, which were removed meanwhile"] * 2


def test_a_place_that_keeps_nothing_is_given_up(files):
    place = Place(fickle=100)
    with pytest.raises(StoreError, match="what is sent to there does not stay there"):
        commit_checked(place, files, place.send, place.commit)
    assert place.steps.count(["b"]) == 5


def test_a_file_that_lies_where_it_goes_is_not_missing(tmp_path: Path, monkeypatch):
    """A store that is published where it lies sends nothing of its own."""
    (tmp_path / "lab").mkdir()
    for place in (tmp_path / "lab/zarr.json", tmp_path / "zarr.json"):
        place.write_bytes(b"{}")
    target = FolderRemote(tmp_path / "lab" / ".." / "lab")
    monkeypatch.setattr(FolderRemote, "size", lambda *_: None)
    assert missing_files(target, [("zarr.json", tmp_path / "lab/zarr.json")]) == []
    other = [("zarr.json", tmp_path / "zarr.json")]
    assert missing_files(target, other) == other


def test_a_mark_that_is_not_listed_protects_nothing(memory, monkeypatch):
    target = BucketRemote(memory)
    monkeypatch.setattr(BucketRemote, "listing", lambda *_: iter(()))
    with pytest.raises(StoreError, match="does not list what was just written"):
        Mark(target).__enter__()


def test_a_mark_knows_the_servers_time_and_ends_with_its_block(memory):
    target = BucketRemote(memory)
    target.create(f"{MARKS}/{SEGMENT}", b"of another cleanup")

    def ends() -> None:
        with Mark(target) as mark:
            own = [file for file in target.listing(MARKS) if SEGMENT not in file.path]
            assert [file.modified for file in own] == [mark.server_time]
            raise KeyError("mine")

    with pytest.raises(KeyError):
        ends()
    assert [file.path for file in target.listing(MARKS)] == [f"{MARKS}/{SEGMENT}"]


def full_index(kit) -> Index:
    made = kit.provenance()
    entry = SegmentEntry(1, 1, {"zarr.json": FileEntry(1, ""), "values/c.0.0": FileEntry(1, "")})
    return Index(
        encoders={"enc-1": EncoderEntry(made, {SEGMENT: entry})},
        bundles={"b" * 64: BundleEntry("ids", "", 1, 1, 1, "")},
        tasks={"toy": TaskEntry("c" * 64, 1, 1, "regression")},
    )


def test_an_index_names_all_files_of_its_parts(kit):
    assert named_files(full_index(kit)) == {
        "share/index.json",
        f"share/bundles/{'b' * 64}",
        f"share/tasks/{'c' * 64}",
        f"share/sums/{SEGMENT}",
        f"embeddings/enc-1/{SEGMENT}/zarr.json",
        f"embeddings/enc-1/{SEGMENT}/values/c.0.0",
    }


OURS = [f"share/bundles/{'0' * 64}", f"share/tasks/{'0' * 64}", f"share/sums/{SEGMENT}",
        f"embeddings/x/{SEGMENT}/zarr.json", f"embeddings/x/{SEGMENT}/values/c.0.0"]  # fmt: skip
KEPT = [f"share/commits/{SEGMENT}", "zarr.json", "embeddings/zarr.json", "embeddings/x/zarr.json",
        "thesis.tex", "share/thesis.tex", f"embeddings/x/{SEGMENT}/notes.txt",
        f"{MARKS}/{SEGMENT}"]  # fmt: skip


def test_only_parts_of_a_store_are_removed(memory, kit, tmp_path, monkeypatch):
    """In batches, each under a mark that is new; neither groups, records, nor files of others."""
    monkeypatch.setattr(cleanup, "_REMOVED_AT_ONCE", 2)
    target = BucketRemote(memory)
    push(kit.fill(tmp_path / "store", kit.proteins(3), (kit.provenance(),)), memory)
    stays = {file.path for top in ("share", "embeddings") for file in target.listing(top)}
    for path in (*OURS, *KEPT):
        target.create(path, b"123")
    commit(target, Index(tasks={"x": TaskEntry("c" * 64, 1, 1, "regression")}))
    renewals, real = [], Mark.renew
    monkeypatch.setattr(Mark, "renew", lambda self: renewals.append(1) or real(self))
    target.remove([f"share/commits/{SEGMENT}"])  # which is no record that could be read
    report = remote_gc(memory, older_than=-5)
    assert sorted(report.removed) == sorted(OURS)
    assert report.bytes == 3 * len(OURS)
    assert len(renewals) == 3
    there = {file.path for top in ("share", "embeddings") for file in target.listing(top)}
    assert stays <= there
    assert not there & set(OURS)
    assert set(KEPT) - {f"share/commits/{SEGMENT}", "zarr.json", "thesis.tex"} <= there
    assert len(target.commits()) == 1
    assert target.size("thesis.tex") == 3


def test_where_an_index_names_nothing_nothing_is_removed(memory):
    """An index that was lost would make all there is look lost."""
    target = BucketRemote(memory)
    for path in OURS:
        target.create(path, b"123")
    with pytest.raises(NotStoredError, match="s3://memory/lab is no shared store"):
        remote_gc(memory, older_than=-5)
    assert all(target.size(path) == 3 for path in OURS)
    assert list(target.listing(MARKS)) == []


@pytest.mark.parametrize(("age", "removed"), [(100.0, 1), (100.5, 0)])
def test_what_is_just_as_old_as_was_said_goes(memory, kit, monkeypatch, age, removed):
    target = BucketRemote(memory)
    target.create(OURS[0], b"123")
    target.create(f"{SET_ASIDE}/x", b"1234")
    monkeypatch.setattr(cleanup, "published_index", lambda _: full_index(kit))
    real = BucketRemote.listing

    def listing(self, folder: str):
        for file in real(self, folder):
            moment = 1000.0 if folder == MARKS else 900.0
            yield type(file)(file.path, file.bytes, moment)

    monkeypatch.setattr(BucketRemote, "listing", listing)
    assert len(remote_gc(memory, older_than=age, dry_run=True).removed) == removed
    aside = remote_gc(memory, older_than=age, set_aside=True)
    assert (len(aside.removed), aside.bytes) == (2 * removed, 7 * removed)
    assert share_paths.is_public(OURS[0])
