"""What others publish at the worst moment stays: while an index is read, and before it is replaced.

Readers and writers read in an order that loses nothing; here somebody else comes in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sesstore.sharing import share_paths
from sesstore.sharing.commits import commit, fold, published_index
from sesstore.sharing.fetch import Reader
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.push import push
from sesstore.sharing.remote_repair import repair_remote
from sesstore.sharing.share_index import Index
from sesstore.store import Store


@pytest.fixture
def bucket(memory: str) -> str:
    """Object storage in memory: it promises what a server does, without its requests."""
    return memory


@pytest.fixture
def store(kit, tmp_path) -> Store:
    return kit.fill(tmp_path / "store", kit.proteins(12), (kit.provenance(),))


@pytest.fixture
def other(kit, tmp_path) -> Store:
    return kit.fill(tmp_path / "other", kit.proteins(10, seed=4), (kit.provenance(),))


@contextmanager
def at_the_reading(
    monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]
) -> Iterator[None]:
    """Do something just after the index was read for the n-th time, before it is used."""
    real, calls = Reader.index, []

    def index(self: Reader) -> Index:
        found = real(self)
        calls.append(1)
        if len(calls) == number:
            act()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Reader, "index", index)
        yield
    assert len(calls) >= number


def segments(where: str) -> set[str]:
    return {
        name for e in published_index(BucketRemote(where)).encoders.values() for name in e.segments
    }


@pytest.mark.parametrize("doing", ["push", "fold", "repair"])
def test_what_is_pushed_before_an_index_is_replaced_stays(
    store: Store, other: Store, kit, tmp_path, bucket: str, monkeypatch, doing: str
) -> None:
    """It is replaced only if it is still the one that was read."""
    first = kit.fill(tmp_path / "first", kit.proteins(10, seed=5), (kit.provenance(),))
    push(first, bucket)
    target = BucketRemote(bucket)
    commit(target, Index())
    if doing == "repair":
        target.remove([share_paths.task_path(published_index(target).tasks["toy"].sha256)])
    work = {
        "push": (2, lambda: push(store, bucket)),
        "fold": (1, lambda: fold(target)),
        "repair": (2, lambda: repair_remote(bucket)),
    }
    number, act = work[doing]
    with at_the_reading(monkeypatch, number, lambda: push(other, bucket)):
        act()
    mine = {path.name for path in other.path.glob("embeddings/*/2*")}
    assert mine <= segments(bucket)
    if doing == "push":
        assert {path.name for path in store.path.glob("embeddings/*/2*")} <= segments(bucket)


def test_what_is_folded_while_it_is_read_is_seen(store: Store, bucket: str, monkeypatch) -> None:
    """Records first, the index last: whoever folds meanwhile hides nothing from a reader."""
    push(store, bucket)
    target = BucketRemote(bucket)
    index = published_index(target)
    empty = Index()
    assert target.replace_index(empty.to_bytes(), target.version()[1])
    commit(target, index)
    real, folded = Reader.read_all, []

    def read_all(self: Reader, path: str, most: int, sha: str | None = None) -> bytes:
        if path == share_paths.INDEX and not folded:
            folded.append(path)
            assert fold(target) == 1
        return real(self, path, most, sha)

    monkeypatch.setattr(Reader, "read_all", read_all)
    assert published_index(target).to_bytes() == index.to_bytes()


def test_a_record_that_is_folded_before_it_is_fetched_is_in_the_index(
    store: Store, bucket: str, monkeypatch
) -> None:
    push(store, bucket)
    target = BucketRemote(bucket)
    index = published_index(target)
    assert target.replace_index(Index().to_bytes(), target.version()[1])
    commit(target, index)
    real, folded = BucketRemote.commits, []

    def commits(self: BucketRemote) -> list[str]:
        found = real(self)
        if not folded:
            folded.append(1)
            assert fold(target) == 1
        return found

    monkeypatch.setattr(BucketRemote, "commits", commits)
    assert published_index(target).to_bytes() == index.to_bytes()


def test_a_fold_that_is_stopped_leaves_the_records(store: Store, bucket: str, monkeypatch) -> None:
    """They go once the index has what they name, and not before."""
    push(store, bucket)
    target = BucketRemote(bucket)
    index = published_index(target)
    assert target.replace_index(Index().to_bytes(), target.version()[1])
    commit(target, index)

    def dies(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BucketRemote, "replace_index", dies)
        with pytest.raises(KeyboardInterrupt):
            fold(target)
    assert published_index(target).to_bytes() == index.to_bytes()
