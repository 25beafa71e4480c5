"""A store whose proteins can be told apart, and tasks of each problem on them.

A protein's class is written into its embeddings (weakly) and its structure tokens. Embeddings lie
in two segments, whose proteins start at the same numbers; tokens have a pLDDT, and those of
``esmfold`` differ from those of ``alphafold2``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance, circumstances
from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Embeddings, Store, Tokens
from sesstore.tasks import IGNORED, Problem, Split, Task
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig
from sesstore.training.runs import Run

from ..modules import load_module

COUNT, DIM, CLASSES = 60, 16, 3

METRICS = {
    Problem.SINGLE_LABEL: ("accuracy", "mcc", "auroc"),
    Problem.MULTI_LABEL: ("f1max", "auprc"),
    Problem.REGRESSION: ("spearman", "rmse"),
    Problem.RESIDUE_SINGLE_LABEL: ("accuracy", "f1"),
    Problem.RESIDUE_REGRESSION: ("pearson", "mae"),
}


@dataclass
class Taught:
    store: Store
    proteins: list[Protein]
    kinds: list[int]

    @property
    def embeddings(self) -> Embeddings:
        return self.store.embeddings()

    @property
    def tokens(self) -> Tokens:
        return self.store.tokens("alphafold2")

    def task(self, problem: Problem = Problem.SINGLE_LABEL, monitor: str | None = None) -> Task:
        bounds = {"train": (0, 36), "valid": (36, 48), "test": (48, 60)}
        splits = {}
        for name, (start, stop) in bounds.items():
            rows = list(zip(self.proteins, self.kinds, strict=True))[start:stop]
            digests = np.frombuffer(b"".join(p.digest for p, _ in rows), np.uint8).reshape(-1, 32)
            labels = [label(problem, kind, len(p)) for p, kind in rows]
            splits[name] = Split(tuple(p.id for p, _ in rows), digests, labels)
        classes = ("value",) if problem.is_regression else ("a", "b", "c")
        metrics = METRICS[problem]
        return Task("toy", problem, classes, splits, metrics, monitor or metrics[0])


def label(problem: Problem, kind: int, length: int):
    if problem is Problem.SINGLE_LABEL:
        return kind
    if problem is Problem.MULTI_LABEL:
        return (kind,) if kind else (0, 2)
    if problem is Problem.REGRESSION:
        return 50.0 + 10 * kind
    if problem is Problem.RESIDUE_SINGLE_LABEL:
        row = np.full(length, kind)
        row[0] = IGNORED
        return row
    row = np.full(length, 50.0 + 10 * kind, np.float32)
    row[0] = np.nan
    return row


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    rng = np.random.default_rng(5)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    lengths = rng.integers(3, 40, COUNT)
    proteins = [Protein(f"p{i}", "".join(rng.choice(letters, n))) for i, n in enumerate(lengths)]
    kinds = [int(k) for k in rng.integers(0, CLASSES, COUNT)]
    signal = rng.standard_normal((CLASSES, DIM))
    store = Store.create(tmp_path_factory.mktemp("taught") / "store")
    store.add_proteins(proteins)
    fingerprint = Fingerprint("enc", "ab" * 32, 6, "esm1b", "whole", "fp32")
    pairs = list(zip(proteins, kinds, strict=True))
    for half in (pairs[::2], pairs[1::2]):
        with store.writer(Provenance(fingerprint, DIM, "float16"), circumstances()) as writer:
            for p, kind in half:
                values = rng.standard_normal((len(p), DIM)) + signal[kind]
                writer.add(Embedding(p.digest, values.astype(np.float16)))
    for source in ("alphafold2", "esmfold"):
        tokens = [
            StructureTokens(
                p.digest,
                source,
                {
                    "foldseek": rng.integers(0, 20, len(p)).astype(np.uint8),
                    "dssp": np.full(len(p), kind, np.uint8),
                },
                rng.integers(40, 100, len(p)).astype(np.uint8),
            )
            for p, kind in pairs
        ]
        store.add_tokens(tokens, circumstances())
    return Taught(store, proteins, kinds)


@pytest.fixture(scope="session")
def other_encoder() -> Callable[[Embeddings], Embeddings]:
    """Makes a view that claims another encoder."""

    def claim(view: Embeddings) -> Embeddings:
        fingerprint = Fingerprint("other", "cd" * 32, 6, "esm1b", "whole", "fp32")
        return Embeddings(view.folder, Provenance(fingerprint, view.dim, "float16"))

    return claim


def reference(name: str) -> ModuleType:
    """A slow second write-up of ours, from ``tests/reference``."""
    path = Path(__file__).parents[1] / "reference" / f"{name}.py"
    return load_module(f"reference_{name}", path)


@pytest.fixture(scope="session")
def by_definition() -> ModuleType:
    """F1max, slow and by its definition."""
    return reference("f1max")


@pytest.fixture(scope="session")
def plain_training() -> ModuleType:
    """Training, slow and from the papers."""
    return reference("training")


@pytest.fixture(scope="session")
def padded() -> ModuleType:
    """The adapter, slow and padded."""
    return reference("padded")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture(scope="session")
def trained(taught: Taught, tmp_path_factory: pytest.TempPathFactory) -> dict[Problem, Run]:
    """A run on a task of each of three problems."""
    quick, runs = FitConfig(epochs=3, batch_tokens=200, lr=3e-3), {}
    for problem in (Problem.SINGLE_LABEL, Problem.REGRESSION, Problem.RESIDUE_SINGLE_LABEL):
        task = taught.task(problem)
        pooling = "residue" if problem.per_residue else "mean"
        shape = AdapterConfig(16, task.n_outputs, ("dssp",), heads=4, pooling=pooling)
        out = tmp_path_factory.mktemp(problem) / "run"
        runs[problem] = fit(task, taught.embeddings, taught.tokens, shape, quick, out)
    return runs


@pytest.fixture(scope="session")
def masked(taught: Taught, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that masks residues of low pLDDT, by a monitor of which less is better."""
    task = taught.task(Problem.REGRESSION, monitor="rmse")
    shape = AdapterConfig(16, 1, heads=4)
    config = FitConfig(epochs=6, batch_tokens=200, lr=0.05, min_plddt=70, schedule="constant")
    out = tmp_path_factory.mktemp("masked") / "run"
    return fit(task, taught.embeddings, taught.tokens, shape, config, out)


def stopping_after(batches: int):
    asked = iter(range(batches + 1))

    def stop() -> bool:
        return next(asked, None) == batches - 1

    return stop


BARE = FitConfig(epochs=3, patience=9, batch_tokens=150, lr=5e-3, warmup=0.0, schedule="constant")
