"""A run over a cluster whose resources are made up: workers are real, in this process."""

from __future__ import annotations

import importlib
import os
import signal
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.errors import ClusterError, StoppedError
from sesstore.jobs.cluster import ray_embed
from sesstore.jobs.cluster.connection import Cluster
from sesstore.jobs.cluster.embed_worker import EmbedOrder, EmbedWorker
from sesstore.jobs.cluster.ray_embed import embed_on_ray, encoder_for_workers
from sesstore.jobs.cluster.work_items import WorkItem
from sesstore.jobs.embedding.embed import embed, provenances_of
from sesstore.jobs.embedding.missing_proteins import plan_embedding
from sesstore.progress import SILENT
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.store.integrity import verify


@pytest.mark.parametrize(
    ("resources", "hired", "sizes"),
    [
        ({"CPU": 8.0, "GPU": 2.0}, {"num_gpus": 1}, [132_000, 132_000, 36_000]),
        ({"CPU": 2.0}, {"num_cpus": 1}, [10_000] * 30),
    ],
)
def test_work_items_follow_from_what_workers_run_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, resources, hired, sizes
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[3]))
    simulated = importlib.import_module("benchmarks.simulated_pool")
    taken: list[int] = []

    class Worker(EmbedWorker):
        def work(self, number, sequences):
            taken.append(sum(map(len, sequences)))
            return super().work(number, sequences)

    def pool(ray, kind, order, needs, slots):
        assert (kind, needs, slots()) == (EmbedWorker, hired, 2)
        return simulated.SimulatedPool([Worker(order) for _ in range(slots())], 0)

    monkeypatch.setattr(ray_embed, "WorkerPool", pool)
    rng = np.random.default_rng(3)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    proteins = [Protein(f"p{i}", "".join(rng.choice(letters, 1000))) for i in range(300)]
    encoder = registry.load("onehot")
    plan = plan_embedding(store, encoder, proteins, dtype="int8")
    order = EmbedOrder(
        str(store.path), partial(registry.load, "onehot"), provenances_of(encoder, "int8"), {}
    )
    fake = SimpleNamespace(cluster_resources=lambda: resources)
    run = ray_embed._Embedding(fake, store, encoder, plan, order)
    assert run.run(Cluster(), None, SILENT) == {}
    assert taken == sizes
    assert len(store.embeddings()) == 300
    assert verify(store.path).ok


def test_workers_keep_every_layer_that_is_asked_for(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[3]))
    simulated = importlib.import_module("benchmarks.simulated_pool")
    weights = tmp_path / "esm2_t6_8M_UR50D.pt"
    write_random_esm2(weights, layers=6, dim=320)
    make_encoder = partial(
        registry.load, "esm2_t6", weights=weights, device="cpu", layers="2,last,mean:2"
    )
    monkeypatch.setattr(
        ray_embed,
        "WorkerPool",
        lambda ray, kind, order, needs, slots: simulated.SimulatedPool(
            [kind(order) for _ in range(slots())], 0
        ),
    )
    encoder = make_encoder()
    proteins = [Protein(f"p{i}", "MKVLAGSTE" * (i + 1)) for i in range(8)]
    plan = plan_embedding(store, encoder, proteins)
    order = EmbedOrder(str(store.path), make_encoder, provenances_of(encoder, "float16"), {})
    fake = SimpleNamespace(cluster_resources=lambda: {"CPU": 2.0})
    assert (
        ray_embed._Embedding(fake, store, encoder, plan, order).run(Cluster(), None, SILENT) == {}
    )
    expected = {(e.digest, e.output): e.values for e in encoder.encode(proteins)}
    for output, fingerprint in enumerate(encoder.fingerprints):
        view = store.embeddings(fingerprint)
        assert len(view) == len(proteins)
        for protein in proteins:
            values = expected[protein.digest, output].astype(np.float32)
            stored = view.get(protein.digest).astype(np.float32)
            assert np.abs(stored - values).max() <= 2e-3 * np.abs(values).max()


class Counting:
    """Progress that keeps notes and counts, and may send this process a signal as it advances."""

    def __init__(self, number: int | None = None) -> None:
        self.number = number
        self.notes: list[str] = []
        self.total, self.done = 0, 0
        self.shown: set[str] = set()

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str):
        self.total = total or 0
        yield self

    def advance(self, amount: int = 1) -> None:
        assert amount > 0
        self.done += amount
        if self.number is not None:
            os.kill(os.getpid(), self.number)

    def show(self, **figures: str) -> None:
        self.shown.add(figures["workers"])

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch):
    """Let workers be of this process; they die of a sequence. Says what they were hired with."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[3]))
    simulated = importlib.import_module("benchmarks.simulated_pool")

    class Pool(simulated.SimulatedPool):
        def call(self, worker: int, method: str, *arguments: Any) -> None:
            if method != "work" or deadly not in arguments[1]:
                super().call(worker, method, *arguments)
                return
            self._workers[worker].close()  # what it had not committed is gone
            self._workers[worker] = make_worker()
            self._workers[worker].prepare()
            reply: Future[None] = Future()
            reply.set_result(None)
            self._calls[reply] = worker, ""

    def pool(ray, kind, order, needs, size):
        nonlocal make_worker
        make_worker = partial(kind, order)
        hires.append((needs, order))
        return Pool([make_worker() for _ in range(size())], 0)

    deadly, hires = "WWWWW", list[tuple[dict[str, float], EmbedOrder]]()
    make_worker: Any = None
    resources = {"CPU": 4.0}
    ray = SimpleNamespace(cluster_resources=lambda: resources)
    monkeypatch.setattr(ray_embed, "WorkerPool", pool)
    monkeypatch.setattr(ray_embed, "connected", lambda cluster: nullcontext(ray))
    return SimpleNamespace(hires=hires, deadly=deadly, resources=resources)


BLOSUM = partial(registry.load, "blosum62")


def test_a_run_on_workers_is_reported_as_one_here(store, encoder, proteins, here) -> None:
    """Two proteins of one name are two failures."""
    twins = [Protein("x", "MKVLA"), Protein("x", "MKVLC")]
    odd = {protein.digest for protein in twins}

    def make():
        made = BLOSUM()
        encode = made.encode
        made.encode = lambda wanted: encode([p for p in wanted if p.digest not in odd])
        return made

    embed(store, encoder, proteins[:4], dtype="int8")
    progress = Counting()
    report = embed_on_ray(
        store, encoder, make, [*proteins, *twins], dtype="int8", cluster=Cluster(threads=2),
        commit_seconds=7.0, progress=progress,
    )  # fmt: skip
    reason = "the encoder returned nothing for it"
    assert report.failed == {"x": reason, "x (2)": reason}
    assert (report.proteins, report.encoded, report.already_stored) == (42, 36, 4)
    residues = sum(map(len, [*proteins[4:], *twins]))
    assert report.residues == progress.total == progress.done == residues
    assert progress.notes == ["2 workers with 2 CPU threads each"]
    assert progress.shown == {"2"}
    ((needs, order),) = here.hires
    assert (needs, order.commit_seconds) == ({"num_cpus": 2}, 7.0)
    assert order.location == str(store.path.resolve())
    assert "ray" in order.circumstances["versions"]
    assert [known.dtype for known in store.encoders()] == ["int8"]
    assert len(store.embeddings()) == 40
    again = embed_on_ray(
        store, encoder, BLOSUM, twins, dtype="int8", location=f"{store.path}/.", gpus=True,
        cluster=Cluster(workers=1),
    )  # fmt: skip
    assert (again.encoded, again.failed) == (2, {})
    needs, order = here.hires[-1]
    assert (needs, order.location) == ({"num_gpus": 1}, f"{store.path}/.")


def test_only_what_workers_die_of_is_lost(store, encoder, proteins, here) -> None:
    deadly, progress = Protein("deadly", here.deadly), Counting()
    report = embed_on_ray(
        store, encoder, BLOSUM, [*proteins, deadly], cluster=Cluster(workers=2), progress=progress
    )
    assert list(report.failed) == ["deadly"]
    assert "workers died whenever they encoded it" in report.failed["deadly"]
    assert (report.encoded, len(store.embeddings())) == (40, 40)
    assert progress.done == progress.total
    assert verify(store.path).ok


def test_a_run_that_is_stopped_says_what_is_committed(store, encoder, proteins, here) -> None:
    embed(store, encoder, proteins[:4])
    with pytest.raises(StoppedError) as stopped:
        embed_on_ray(store, encoder, BLOSUM, proteins, progress=Counting(signal.SIGTERM))
    done = len(store.embeddings()) - 4
    assert 0 < done < 36
    assert f"stopped by SIGTERM: {done} of 36 proteins are encoded" in str(stopped.value)
    assert verify(store.path).ok


def test_a_cluster_without_room_is_said(store, encoder, proteins, here) -> None:
    for cluster, gpus, what in ((Cluster(threads=5), False, "CPU"), (Cluster(), True, "GPU")):
        with pytest.raises(ClusterError, match=f"no {what} to give to a worker"):
            embed_on_ray(store, encoder, BLOSUM, proteins, cluster=cluster, gpus=gpus)


def test_of_a_lost_work_item_what_is_not_stored_remains(store, encoder, proteins) -> None:
    store.add_proteins(proteins)
    embed(store, encoder, proteins[:3])
    run = ray_embed._Embedding(None, store, encoder, plan_embedding(store, encoder), None)
    size = sum(map(len, proteins[:5]))
    rest = run._remaining(WorkItem(proteins[:5], size, 10.0, losses=1))
    left = sum(map(len, proteins[3:5]))
    assert (rest.items, rest.size, rest.losses) == (proteins[3:5], left, 1)
    assert rest.cost == pytest.approx(10.0 * left / size)
    assert run._remaining(WorkItem(proteins[:3], 9, 1.0)) is None
    whole = WorkItem(proteins[3:6], 9, 1.0)
    assert run._remaining(whole) is whole


def test_workers_load_the_encoder_that_the_driver_knows(tmp_path: Path) -> None:
    weights = tmp_path / "esm2_t6_8M_UR50D.pt"
    write_random_esm2(weights, layers=6, dim=320)
    options = {"weights": weights, "long": "nterm", "layers": "2"}
    cluster = SimpleNamespace(cluster_resources=lambda: {"GPU": 1.0})
    given = (cluster, "esm2_t6", Cluster(threads=3))
    encoder, make, gpus = encoder_for_workers(*given, device="cpu", precision="bf16", **options)
    assert make.keywords == {"device": "cpu", "threads": 3, "precision": "bf16", **options}
    assert (make.args, gpus) == (("esm2_t6",), False)
    print_ = encoder.fingerprint
    assert (print_.precision, print_.layer, print_.long_policy[:5]) == ("bf16", 2, "nterm")
    for device in (None, "cuda"):
        encoder, make, gpus = encoder_for_workers(*given, device=device, **options)
        assert (make.keywords["device"], gpus) == ("cuda", True)
        assert make.keywords["precision"] == encoder.fingerprint.precision
