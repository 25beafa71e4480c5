"""A run over a cluster whose resources are made up: workers are real, in this process."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.jobs.cluster import ray_embed
from sesstore.jobs.cluster.connection import Cluster
from sesstore.jobs.cluster.embed_worker import EmbedOrder, EmbedWorker
from sesstore.jobs.embedding.embed import provenances_of
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
