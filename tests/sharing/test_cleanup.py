"""A cleanup of object storage beside those who write to it, at every moment that matters."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from sesstore.errors import NotStoredError, StoreError
from sesstore.provenance import circumstances
from sesstore.sharing import cleanup, uploads
from sesstore.sharing import push as pushing
from sesstore.sharing.bucket import open_store
from sesstore.sharing.cleanup import MARKS, Mark, named_files, remote_gc, wait_for_cleanups
from sesstore.sharing.commits import published_index
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.places import FileInfo
from sesstore.sharing.pull import pull
from sesstore.sharing.push import push
from sesstore.store import Store
from sesstore.store.integrity import verify


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cleanup, "_POLL", 0.02)


def complete(bucket: str) -> bool:
    """Whether everything that is named is there."""
    target = BucketRemote(bucket)
    there = {file.path for top in ("share", "embeddings") for file in target.listing(top)}
    return named_files(published_index(target)) <= there


def interrupted_push(store: Store, bucket: str, monkeypatch) -> None:
    """Send everything, and die before the index is written."""

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pushing, "_commit", dies)
        with pytest.raises(KeyboardInterrupt):
            push(store, bucket)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_push_that_goes_on_where_one_stopped(store, kit, tmp_path, bucket, monkeypatch, moment):
    """What lies there unnamed is removed just before, or just after, it is named."""
    push(kit.fill(tmp_path / "other", kit.proteins(12, seed=4)), bucket)
    interrupted_push(store, bucket, monkeypatch)
    real, removed = pushing._commit, []

    def beside(target, new):
        lost = remote_gc(bucket, older_than=0, dry_run=moment == "after").removed
        result = real(target, new)
        if moment == "after":  # it read the index before this commit, and removes only now
            target.remove(lost)
        removed.extend(lost)
        return result

    monkeypatch.setattr(pushing, "_commit", beside)
    report = push(store, bucket)
    assert removed
    assert report.files == len(removed)
    assert complete(bucket)
    mine = Store.create(tmp_path / "mine")
    pull(mine, bucket)
    assert verify(mine.path).ok
    assert len(mine.embeddings("enc")) == 52


def test_a_commit_waits_for_a_cleanup_that_is_running(store, bucket, monkeypatch):
    """It has read what is named before this commit, and is slow to remove the rest."""
    target = BucketRemote(bucket)
    interrupted_push(store, bucket, monkeypatch)
    unnamed = [f.path for top in ("share", "embeddings") for f in target.listing(top)]
    order = []
    real = pushing._commit

    def commit(*arguments):
        result = real(*arguments)
        order.append("committed")
        return result

    monkeypatch.setattr(pushing, "_commit", commit)
    with Mark(target) as mark:
        pushes = threading.Thread(target=push, args=(store, bucket))
        pushes.start()
        while "committed" not in order:
            time.sleep(0.01)
        mark.renew()
        time.sleep(0.1)
        assert pushes.is_alive()
        target.remove(unnamed)
        order.append("removed")
    pushes.join(60)
    assert order == ["committed", "removed"]
    assert complete(bucket)
    assert not list(target.listing(MARKS))


def test_a_cleanup_that_died_holds_nobody_up_for_ever(bucket, monkeypatch):
    target = BucketRemote(bucket)
    Mark(target).__enter__()
    monkeypatch.setattr(cleanup, "LEASE", 0.2)
    wait_for_cleanups(target)
    assert not list(target.listing(MARKS))


def test_a_cleanup_others_may_take_for_dead_removes_nothing(bucket, monkeypatch):
    target = BucketRemote(bucket)
    with Mark(target) as mark:
        before = [file.path for file in target.listing(MARKS)]
        mark.renew()
        after = [file.path for file in target.listing(MARKS)]
        assert len(before) == len(after) == 1
        assert before != after
        monkeypatch.setattr(cleanup, "LEASE", 0.0)
        with pytest.raises(StoreError, match="too slowly"):
            mark.renew()


def test_a_cleanup_is_marked_at_every_moment(bucket, monkeypatch):
    """Whoever looks while a mark is renewed sees one."""
    target, real, marks = BucketRemote(bucket), BucketRemote.remove, []

    def remove(self, paths):
        real(self, paths)
        marks.append(len(list(self.listing(MARKS))))

    monkeypatch.setattr(BucketRemote, "remove", remove)
    with Mark(target) as mark:
        mark.renew()
        mark.renew()
    assert marks == [1, 1, 0]


def test_what_lies_there_cut_short_is_sent_again(store, tmp_path, bucket, monkeypatch):
    interrupted_push(store, bucket, monkeypatch)
    target = BucketRemote(bucket)
    path = next(f.path for f in target.listing("embeddings") if f.path.endswith("values/c.0.0"))
    (tmp_path / "cut").write_bytes(b"".join(target.stream(path))[:-5])
    target.put(path, tmp_path / "cut")
    assert push(store, bucket).files == 1
    pull(tmp_path / "mine", bucket)
    assert verify(tmp_path / "mine").ok


@pytest.mark.parametrize("days", [-2, 2])
def test_ages_are_the_servers(store, kit, tmp_path, bucket, monkeypatch, days):
    """This machine's clock is two days off; only what is old by the server's is removed."""
    push(kit.fill(tmp_path / "other", kit.proteins(12, seed=4)), bucket)
    interrupted_push(store, bucket, monkeypatch)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + days * 86400)
    assert remote_gc(bucket).removed == []
    assert remote_gc(bucket, older_than=0).removed


def test_segments_of_a_writer_removed_as_they_are_committed(kit, tmp_path, bucket, monkeypatch):
    """The segments are sent again before their only copy here is dropped."""
    proteins, real = kit.proteins(40), uploads.commit

    def beside(target, new):
        lost = [f.path for top in ("share/sums", "embeddings") for f in target.listing(top)]
        result = real(target, new)
        target.remove(lost)
        return result

    monkeypatch.setattr(uploads, "commit", beside)
    with open_store(bucket) as store:
        store.add_proteins(proteins)
        with store.writer(kit.provenance(), circumstances(), segment_bytes=10**9) as writer:
            for protein in proteins:
                writer.add(kit.embedding(protein, kit.provenance()))
    assert complete(bucket)
    mine = Store.create(tmp_path / "mine")
    pull(mine, bucket)
    assert len(mine.embeddings()) == 40


def test_what_does_not_stay_is_an_error(store, bucket, monkeypatch):
    monkeypatch.setattr(BucketRemote, "size", lambda *_: None)
    with pytest.raises(StoreError, match="did not arrive whole"):
        push(store, bucket)


def test_where_no_store_is_nothing_is_removed(bucket, tmp_path):
    (tmp_path / "thesis").write_bytes(b"x")
    BucketRemote(bucket).put("thesis.tex", tmp_path / "thesis")
    with pytest.raises(NotStoredError, match="no shared store"):
        remote_gc(bucket, older_than=0)
    assert BucketRemote(bucket).size("thesis.tex") == 1


def test_pushes_beside_cleanups_without_a_pause(store, kit, tmp_path, bucket):
    """Three stores are pushed while two remove whatever is not named yet, however young."""
    stores = [
        kit.fill(tmp_path / f"s{i}", kit.proteins(20, seed=i + 2), (kit.provenance(),))
        for i in range(3)
    ]
    push(store, bucket)
    done = threading.Event()

    def clean() -> None:
        while not done.is_set():
            remote_gc(bucket, older_than=0)

    cleaning = [threading.Thread(target=clean) for _ in range(2)]
    pushes = [threading.Thread(target=push, args=(store, bucket)) for store in stores]
    for thread in cleaning + pushes:
        thread.start()
    for thread in pushes:
        thread.join()
    done.set()
    for thread in cleaning:
        thread.join()
    assert complete(bucket)
    mine = Store.create(tmp_path / "mine")
    pull(mine, bucket)
    assert mine.count_proteins() == 100
    assert len(mine.embeddings("enc")) == 100


class Listing:
    """A place that lists marks until they are removed."""

    url = "there"

    def __init__(self, marks: list[FileInfo]) -> None:
        self.marks, self.removed = marks, []

    def listing(self, folder: str) -> list[FileInfo]:
        return [mark for mark in self.marks if mark.path not in self.removed]

    def remove(self, paths) -> None:
        self.removed += paths


@pytest.mark.parametrize(("seconds", "looks"), [(119.0, 3), (120.0, 3), (121.0, 2)])
def test_a_mark_is_dead_beyond_its_lease(monkeypatch, seconds: float, looks: int):
    """Of the age since it was first seen; the clock goes on by as much with every look."""
    place = Listing([FileInfo("share/cleanup/a", 12, 0.0)])
    clock = [0.0]
    monkeypatch.setattr(cleanup.time, "monotonic", lambda: clock[0])
    count = []

    def sleep(_: float) -> None:
        count.append(1)
        clock[0] += seconds

    monkeypatch.setattr(cleanup.time, "sleep", sleep)
    notes = []
    wait_for_cleanups(place, SimpleNamespace(note=notes.append))
    assert place.removed == ["share/cleanup/a"]
    assert len(count) == looks
    assert notes == ["waiting for a cleanup of there that is running"]


def test_what_lacks_or_has_another_size_is_missing(tmp_path):
    """Of groups' metadata any size will do: others may have written it."""
    folder = "embeddings/x-0123456789ab"
    segment = f"{folder}/20261127T000000000000-0000000000000000"
    sizes = {f"{segment}/a": 5, f"{segment}/b": 4, f"{folder}/zarr.json": 4,
             f"{segment}/zarr.json": 4}  # fmt: skip
    files = []
    for number, path in enumerate([*sizes, f"{segment}/c", "embeddings/zarr.json"]):
        (tmp_path / str(number)).write_bytes(b"12345")
        files.append((path, tmp_path / str(number)))
    absent = cleanup.missing_files(SimpleNamespace(size=sizes.get), files)
    assert [path for path, _ in absent] == [
        f"{segment}/b", f"{segment}/zarr.json", f"{segment}/c", "embeddings/zarr.json",
    ]  # fmt: skip


def test_only_what_is_as_old_as_asked_goes_and_a_dry_run_says_the_same(
    store, kit, tmp_path, bucket, monkeypatch
):
    push(kit.fill(tmp_path / "other", kit.proteins(12, seed=4)), bucket)
    interrupted_push(store, bucket, monkeypatch)
    target = BucketRemote(bucket)
    (tmp_path / "old").write_bytes(b"12345")
    target.put(f"{cleanup.SET_ASIDE}/old", tmp_path / "old")
    dry = remote_gc(bucket, older_than=-5, dry_run=True)
    assert dry.removed
    assert all(target.size(path) is not None for path in dry.removed)
    assert dry.bytes == sum(target.size(path) for path in dry.removed)
    aside = remote_gc(bucket, older_than=-5, set_aside=True, dry_run=True)
    assert set(aside.removed) == {*dry.removed, f"{cleanup.SET_ASIDE}/old"}
    assert aside.bytes == dry.bytes + 5
    assert remote_gc(bucket, older_than=3600, set_aside=True).removed == []
    assert remote_gc(bucket, older_than=-5).removed == dry.removed
    assert target.size(f"{cleanup.SET_ASIDE}/old") == 5
    assert complete(bucket)
