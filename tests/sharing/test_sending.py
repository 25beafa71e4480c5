"""What is sent to object storage: in what order, what ends it, and what is not sent again."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from sesstore.alphabets import ALPHABETS, Alphabet
from sesstore.errors import InputError, StoreError
from sesstore.residues import StructureTokens
from sesstore.sharing import bucket_store, share_paths, uploads
from sesstore.sharing.bucket import open_store
from sesstore.sharing.cache import cache_of
from sesstore.sharing.commits import commit, fold, published_index
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.publication import sums_of_segment
from sesstore.sharing.share_index import Index, TaskEntry
from sesstore.sharing.uploads import send_records, send_segment
from sesstore.store import layout
from sesstore.tasks import Task

from ..noting import Noting


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def target(memory: str) -> BucketRemote:
    return BucketRemote(memory)


def test_a_segment_is_named_after_all_of_it_is_there(memory, target, kit, tmp_path, monkeypatch):
    store = kit.fill(tmp_path / "store", kit.proteins(5), (kit.provenance(dtype="int8"),))
    (segment,) = store.path.glob("embeddings/*/2*")
    real, sizes = uploads.commit, {}

    def look(place: BucketRemote, new: Index) -> str:
        for top in ("share", "embeddings"):
            sizes.update({file.path: file.bytes for file in place.listing(top)})
        return real(place, new)

    monkeypatch.setattr(uploads, "commit", look)
    send_segment(target, segment.parent.name, segment)
    expected = {
        path.relative_to(store.path).as_posix(): path.stat().st_size
        for path in segment.rglob("*")
        if path.is_file()
    }
    assert sizes == {**expected, share_paths.sums_path(segment.name): 16 * 5}
    sums = b"".join(target.stream(share_paths.sums_path(segment.name)))
    assert sums == sums_of_segment(segment)
    (name,) = target.commits()
    (encoder,) = published_index(target).encoders.values()
    assert encoder.provenance == kit.provenance(dtype="int8")
    assert (encoder.segments[segment.name].proteins, len(name)) == (5, len(segment.name))


def test_what_a_writer_could_not_send_ends_it(memory, kit, monkeypatch):
    """At the next segment, or at the end; the lock of the queue is given back each time."""
    proteins, made = kit.proteins(30), kit.provenance()

    def fails(*_: object) -> None:
        raise StoreError("the line is dead")

    monkeypatch.setattr(uploads, "send_segment", fails)
    with open_store(memory) as store:
        writer = store.writer(made, {}, segment_bytes=1)

        def embed() -> None:
            with writer:
                for protein in proteins:
                    writer.add(kit.embedding(protein, made))

        with pytest.raises(StoreError, match="dead"):
            embed()
        assert 0 < len(writer.committed) < 30
        assert store.unsent
        writer = store.writer(made, {})
        writer.add(kit.embedding(proteins[0], made))
        with pytest.raises(StoreError, match="dead"):
            writer.commit()
        writer._pool.shutdown()
        assert all(writer._room.acquire(blocking=False) for _ in range(2))


def test_an_error_beside_a_writer_is_the_one_that_counts(memory, target, kit, monkeypatch):
    """What was committed before is sent all the same."""
    proteins, made, go = kit.proteins(2), kit.provenance(), threading.Event()
    real = uploads.send_segment

    def slow(*arguments: object) -> None:
        assert go.wait(30)
        real(*arguments)

    monkeypatch.setattr(uploads, "send_segment", slow)

    def ends() -> None:
        with open_store(memory) as store, store.writer(made, {}) as writer:
            writer.add(kit.embedding(proteins[0], made))
            writer.roll()
            threading.Timer(0.05, go.set).start()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ends()
    (encoder,) = published_index(target).encoders.values()
    assert len(encoder.segments) == 1


def test_records_that_are_there_are_not_sent_again(memory, target, kit, tmp_path):
    store = kit.fill(tmp_path / "store", kit.proteins(20), ())
    index = send_records(store, target)
    assert {bundle.kind for bundle in index.bundles.values()} == {"proteins", "ids", "tokens"}
    assert list(index.tasks) == ["toy"]
    assert index == published_index(target)
    (record,) = target.commits()
    assert send_records(store, target) == index
    assert target.commits() == [record]
    store.add_proteins(kit.proteins(21))
    index = send_records(store, target)
    assert [bundle.records for _, bundle in index.of_kind("proteins")] == [20, 1]
    assert fold(target) == 2
    assert (target.commits(), published_index(target)) == ([], index)


def test_a_fold_is_given_up_while_others_fold(target, monkeypatch):
    entry = TaskEntry("a" * 64, 1, 1, "regression")
    commit(target, Index(tasks={"toy": entry}))
    versions = []
    monkeypatch.setattr(BucketRemote, "replace_index", lambda *_: versions.append(1) or False)
    assert fold(target) == 0
    assert len(versions) == 3
    assert len(target.commits()) == 1


@pytest.mark.parametrize("bound", [{"segment_bytes": 1}, {"segment_seconds": 0.0}, {}])
def test_segments_end_by_size_and_by_age(memory, target, kit, bound):
    proteins, made = kit.proteins(3), kit.provenance()
    with open_store(memory) as store:
        store.add_proteins(proteins)
        with store.writer(made, {"run": 7}, **bound) as writer:
            assert not store.unsent  # sequences go before the embeddings of them
            for protein in proteins:
                writer.add(kit.embedding(protein, made))
        assert not store.unsent  # nor does a copy stay here
    (encoder,) = published_index(target).encoders.values()
    assert len(encoder.segments) == len(writer.committed) == (3 if bound else 1)
    (folder,), name = published_index(target).encoders, writer.committed[0]
    raw = b"".join(target.stream(share_paths.segment_path(folder, name, "zarr.json")))
    assert layout.parse_group(raw, name)["circumstances"]["run"] == 7


def publish_other_task(memory: str, kit) -> Task:
    with open_store(memory) as other:
        other.add_proteins(kit.proteins(4))
        other.add_task(kit.task(kit.proteins(4)))
        return other.task("toy")


def test_another_task_of_its_name_is_said_whenever_it_came(memory, target, kit):
    """All else is sent, and the error is told once."""
    with open_store(memory) as store:
        theirs = publish_other_task(memory, kit)
        store.add_task(kit.task(kit.proteins(4), label=1))
        store.add_proteins(kit.proteins(6))
        with pytest.raises(InputError, match="somebody else added another task 'toy' to s3://mem"):
            store.flush()
    assert sum(b.records for _, b in published_index(target).of_kind("proteins")) == 6
    with open_store(memory) as store:
        assert store.task("toy").data_digest == theirs.data_digest
        store.add_proteins(kit.proteins(7))  # with a task that was fetched beside it
    with open_store(memory) as late:
        late.add_task(kit.task(kit.proteins(4)))
        late.add_proteins(kit.proteins(8))


def test_of_two_errors_the_first_counts_and_the_other_is_said(memory, kit):
    notes = Noting()

    def ends() -> None:
        with open_store(memory, progress=notes) as store:
            publish_other_task(memory, kit)
            store.add_task(kit.task(kit.proteins(4), label=1))
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ends()
    (note,) = notes.notes
    assert "could be sent: somebody else added another task 'toy'" in note


@pytest.mark.parametrize("what", ["task", "alphabet"])
def test_what_a_killed_writer_left_and_does_not_fit_holds_nobody_up(
    memory, kit, tmp_path, monkeypatch, what
):
    """It is kept beside and said; what fits of a task's store is sent."""
    notes, proteins = Noting(), kit.proteins(4)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def write(states: str, label: int) -> None:
        ALPHABETS.pop("motifs", None)
        with open_store(memory) as store:
            store.add_proteins(proteins[:3] if label else proteins)
            if what == "task":
                store.add_task(kit.task(proteins[:3], label=label))
            else:
                store.declare(Alphabet("motifs", states))
                codes = {"motifs": np.zeros((1, len(proteins[0])), np.uint8)}
                tokens = StructureTokens(proteins[0].digest, "pdb", codes, None, "t")
                store.add_tokens([tokens], {})

    with monkeypatch.context() as patch:
        patch.setattr(bucket_store, "send_records", dies)
        with pytest.raises(KeyboardInterrupt):
            write("AB", 1)
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "other-machine"))
    write("ABC", 0)
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))
    ALPHABETS.pop("motifs", None)
    with open_store(memory, progress=notes) as store:
        assert store.count_proteins() == 4
    first, second = notes.notes
    assert "'toy'" in first if what == "task" else "'motifs' is shared there" in first
    (place,) = cache_of(memory).parent.glob("*.damaged/*")
    assert str(place) in second
    assert (place / "store/proteins.lmdb").is_file()
    assert not list(cache_of(memory).parent.glob("*.writing/*"))
