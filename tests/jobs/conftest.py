"""A small store with random proteins, an encoder that needs no weights, a training by seeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.jobs.training.train import TrainReport, prepare, train
from sesstore.proteins import Protein
from sesstore.provenance import circumstances
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task
from sesstore.training.fit_config import FitConfig
from sesstore.training.runs import Run


@pytest.fixture
def proteins() -> list[Protein]:
    rng = np.random.default_rng(3)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    return [
        Protein(f"p{i}", "".join(rng.choice(letters, int(n))))
        for i, n in enumerate(rng.integers(2, 60, 40))
    ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.fixture
def encoder() -> Encoder:
    return registry.load("blosum62")


@dataclass(frozen=True)
class Seeded:
    """A store, its task, and a training by seeds 4, 5 and 6 on it."""

    store: Store
    task: Task
    report: TrainReport

    @property
    def runs(self) -> list[Run]:
        return [Run.load(path) for path in self.report.runs]


def labelled(store: Store, proteins: list[Protein], *, noise: float = 0.3) -> Task:
    """Put proteins into a store with noisy tokens of their class, and a task of three splits.

    The monitor is not the first metric; residues have a pLDDT from 40 to 99.
    """
    rng = np.random.default_rng(8)
    store.add_proteins(proteins)
    kinds = [i % 2 for i in range(len(proteins))]
    for source in ("alphafold2", "esmfold"):
        tokens = []
        for protein, kind in zip(proteins, kinds, strict=True):
            wrong = rng.random(len(protein)) < noise
            codes = {
                "foldseek": rng.integers(0, 20, len(protein)).astype(np.uint8),
                "dssp": np.where(wrong, 1 - kind, kind).astype(np.uint8),
            }
            plddt = rng.integers(40, 100, len(protein)).astype(np.uint8)
            tokens.append(StructureTokens(protein.digest, source, codes, plddt))
        store.add_tokens(tokens, circumstances())
    third, splits = len(proteins) // 3, {}
    for place, name in enumerate(("train", "valid", "test")):
        rows = slice(place * third, (place + 1) * third)
        digests = b"".join(p.digest for p in proteins[rows])
        splits[name] = Split(
            tuple(p.id for p in proteins[rows]),
            np.frombuffer(digests, np.uint8).reshape(-1, 32),
            [kind if rng.random() > 0.15 else 1 - kind for kind in kinds[rows]],
        )
    task = Task(
        "toy", Problem.SINGLE_LABEL, ("out", "in"), splits, ("accuracy", "mcc", "auroc"), "mcc"
    )
    store.add_task(task)
    return task


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """A training by three seeds whose scores differ, on splits whose scores differ."""
    folder = tmp_path_factory.mktemp("seeded")
    store, rng = Store.create(folder / "store"), np.random.default_rng(12)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    proteins = [
        Protein(f"p{i}", "".join(rng.choice(letters, int(n))))
        for i, n in enumerate(rng.integers(4, 12, 90))
    ]
    task = labelled(store, proteins)
    inputs = prepare(
        store, "toy", plm="blosum62", alphabets=("foldseek", "dssp"), source="alphafold2"
    )
    config = FitConfig(
        epochs=3, batch_tokens=60, lr=5e-3, seed=4, min_plddt=60, schedule="constant"
    )
    shape = {"heads": 2, "width": 8, "head": "paper"}  # so that seeds begin apart
    report = train(inputs, shape, config, seeds=3, out=folder / "run")
    return Seeded(store, task, report)
