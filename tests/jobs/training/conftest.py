"""Shared by the tests of jobs/training."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets.load import LoadedTask
from sesstore.encoders import registry
from sesstore.jobs.add import add, load
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.inputs import Inputs
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task
from sesstore.training.fit_config import FitConfig

ADAPTER = {"alphabets": ("foldseek",), "heads": 2, "width": 16}


CONFIG = FitConfig(epochs=2, patience=2, batch_tokens=4096, lr=5e-3)


@pytest.fixture(scope="session")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundredth of a real task: too little to learn from, enough to go the way."""
    folder = tmp_path_factory.mktemp("few")
    for split in ("train", "valid", "test"):
        source = shared_data / "deeploc_binary" / "alphafold2" / f"{split}.jsonl"
        with source.open() as lines:
            (folder / f"{split}.jsonl").write_text("".join(islice(lines, 16)))
    return folder


@pytest.fixture
def filled(store: Store, real: Path) -> Store:
    loaded = load("deeploc_binary", data=real, source="alphafold2")
    assert isinstance(loaded, LoadedTask)
    add(store, loaded)
    return store


GRID_CONFIG = FitConfig(epochs=2, patience=2, batch_tokens=600, lr=3e-3)


PLAIN = {"alphabets": (), "width": 8}


@pytest.fixture
def inputs(store: Store, proteins: list[Protein]) -> Inputs:
    embed(store, registry.load("blosum62"), proteins)
    splits = {}
    for name, rows in (
        ("train", proteins[:24]),
        ("valid", proteins[24:32]),
        ("test", proteins[32:]),
    ):
        digests = np.frombuffer(b"".join(p.digest for p in rows), np.uint8).reshape(-1, 32)
        labels = [int(p.sequence.count("A") % 2) for p in rows]
        splits[name] = Split(tuple(p.id for p in rows), digests, labels)
    task = Task("toy", Problem.SINGLE_LABEL, ("a", "b"), splits, ("accuracy",), "accuracy")
    return Inputs(task, store.embeddings(), None)


@pytest.fixture
def errors(inputs: Inputs) -> Inputs:
    """Lengths to predict, by a monitor of which less is better."""
    splits = {
        name: replace(split, labels=[float(n) for n in inputs.embeddings.lengths[rows]])
        for name, split in inputs.task.splits.items()
        for rows in [inputs.embeddings.find(split.digests)]
    }
    task = Task("length", Problem.REGRESSION, ("value",), splits, ("spearman", "rmse"), "rmse")
    return replace(inputs, task=task)
