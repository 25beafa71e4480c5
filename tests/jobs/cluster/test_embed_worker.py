"""What one worker of a cluster does, in this process: nothing is settled before it is committed."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from sesstore.encoders import registry
from sesstore.errors import FingerprintMismatchError, MissingFileError, StorageFullError
from sesstore.jobs.cluster import embed_worker
from sesstore.jobs.cluster.embed_worker import EmbedOrder, EmbedWorker
from sesstore.jobs.embedding import background_writer
from sesstore.jobs.embedding.embed import provenances_of
from sesstore.proteins import Protein
from sesstore.residues import to_storage
from sesstore.store import Store
from sesstore.store.integrity import verify


@pytest.fixture
def made_worker(store: Store, encoder, monkeypatch: pytest.MonkeyPatch):
    """Makes a prepared worker, whose writing takes its time."""

    def slowly(embedding, dtype: str, **how):
        time.sleep(0.003)
        return to_storage(embedding, dtype, **how)

    monkeypatch.setattr(background_writer, "to_storage", slowly)

    def make(commit_seconds: float = 1e9, **others) -> EmbedWorker:
        settings = {"make_encoder": partial(registry.load, "blosum62"), **others}
        order = EmbedOrder(
            str(store.path), provenances=provenances_of(encoder, "float16"),
            circumstances={"made": "here"}, commit_seconds=commit_seconds, **settings,
        )  # fmt: skip
        worker = EmbedWorker(order)
        worker.prepare()
        return worker

    return make


def stored(store: Store) -> int:
    return len(Store.open(store.path).embeddings()) if store.encoders() else 0


def test_work_items_are_settled_when_they_are_committed(store, made_worker, proteins) -> None:
    worker = made_worker()
    first, second = ([p.sequence for p in part] for part in (proteins[:20], proteins[20:]))
    done = [worker.work(number, part) for number, part in ((4, first), (7, second))]
    assert [(one.complete, one.committed, one.failures) for one in done] == [(True, [], {})] * 2
    assert worker.progress() == sum(map(len, second))
    assert stored(store) == 0
    assert worker.commit() == [4, 7]
    assert stored(store) == 40
    assert worker.commit() == []
    worker.close()
    assert verify(store.path).ok
    (segment,) = store.embeddings().segments
    made = segment.attributes["circumstances"]
    assert (made["made"], made["device"][:4]) == ("here", "cpu,")


def test_the_next_work_item_does_not_wait_until_one_is_written(
    store, made_worker, monkeypatch
) -> None:
    go, worker = threading.Event(), made_worker()

    def held_up(embedding, dtype: str, **how):
        go.wait(30)
        return to_storage(embedding, dtype, **how)

    monkeypatch.setattr(background_writer, "to_storage", held_up)
    for number, text in enumerate(("MKV", "MKL", "MKI")):
        assert worker.work(number, [text]).committed == []
    threading.Timer(0.1, go.set).start()
    assert worker.commit() == [0, 1, 2]
    assert stored(store) == 3
    worker.close()


def test_what_is_due_is_committed_with_its_work_item(store, made_worker, proteins) -> None:
    worker = made_worker(commit_seconds=0.0)
    assert worker.work(3, [p.sequence for p in proteins[:10]]).committed == [3]
    assert stored(store) == 10
    worker.close()


def test_what_is_due_counts_from_the_first_work_item(store, made_worker, monkeypatch) -> None:
    clock = iter([0.0, 4.0, 8.0, 12.0])  # read when the first is begun, and at each end
    monkeypatch.setattr(embed_worker, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    worker = made_worker(commit_seconds=10.0)
    committed = [worker.work(n, [text]).committed for n, text in enumerate(("MKV", "MKL", "MKI"))]
    assert committed == [[], [], [0, 1, 2]]
    worker.close()


def test_what_could_not_be_committed_is_not_settled(store, made_worker, proteins) -> None:
    worker = made_worker()
    worker.work(1, [proteins[0].sequence])
    whole = worker._writer.commit

    def full() -> None:
        worker._writer.commit = whole
        raise StorageFullError("no space left")

    worker._writer.commit = full
    with pytest.raises(StorageFullError):
        worker.commit()
    assert worker.commit() == [1]
    assert stored(store) == 1
    worker.close()


def test_a_worker_that_is_stopped_settles_nothing_of_its_work_item(store, made_worker) -> None:
    worker = made_worker()
    worker.stop()
    done = worker.work(1, ["MKV", "MKL", "MKI"])
    assert (done.complete, done.committed) == (False, [])
    assert worker.work(2, ["MKV"]).complete  # that was the last of it
    worker.close()
    assert stored(store) == 0


def test_what_an_encoder_leaves_out_is_said_by_digest(made_worker, encoder) -> None:
    def make():
        found = registry.load("blosum62")
        found.encode = lambda proteins: encoder.encode(proteins[1:])
        return found

    worker = made_worker(make_encoder=make)
    done = worker.work(1, ["MKV", "MKL"])
    reason = "the encoder returned nothing for it"
    assert done.failures == {Protein("", "MKV").digest: reason}
    worker.close()


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, encoder) -> None:
    order = EmbedOrder(
        str(tmp_path / "gone"), partial(registry.load, "blosum62"),
        provenances_of(encoder, "float16"), {},
    )  # fmt: skip
    with pytest.raises(MissingFileError):
        EmbedWorker(order).prepare()
    assert not (tmp_path / "gone").exists()


def test_a_worker_that_is_closed_leaves_no_thread_and_no_segment(store, made_worker) -> None:
    before = threading.active_count()
    worker = made_worker()
    worker.work(1, ["MKV", "MKL"])
    assert threading.active_count() > before
    worker.close()
    assert threading.active_count() == before
    assert stored(store) == 0
    assert not list(store.path.glob("embeddings/*/.[0-9]*"))


def test_another_encoder_is_refused(made_worker) -> None:
    with pytest.raises(FingerprintMismatchError):
        made_worker(make_encoder=partial(registry.load, "onehot"))
