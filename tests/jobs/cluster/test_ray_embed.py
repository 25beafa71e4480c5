"""A run over a cluster whose resources are made up: workers are real, in this process."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.encoders import registry
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
