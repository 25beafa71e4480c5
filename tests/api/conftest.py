"""Shared by the tests of api."""

from __future__ import annotations

import numpy as np
import pytest

import sesstore
from sesstore.jobs.demo import SOURCE, demo_files
from sesstore.tasks import Problem, Split, Task

COUNT = 9


def helices(store: sesstore.OpenStore) -> Task:
    """Which residues DSSP calls a helix: labels without further computing."""
    tokens = list(store.store.tokens(SOURCE))
    splits = {}
    for start, name in enumerate(("train", "valid", "test")):
        part = tokens[start::3]
        digests = np.frombuffer(b"".join(one.digest for one in part), np.uint8).reshape(-1, 32)
        labels = [(one.codes["dssp"][0] == 0).astype(np.int64) for one in part]
        splits[name] = Split(tuple(d.tobytes().hex()[:6] for d in digests), digests, labels)
    problem, metrics = Problem.RESIDUE_SINGLE_LABEL, ("accuracy", "auroc")
    return Task("helix", problem, ("other", "helix"), splits, metrics, "auroc")


@pytest.fixture(scope="session")
def taught(tmp_path_factory) -> tuple[sesstore.OpenStore, sesstore.TrainedRun]:
    folder = tmp_path_factory.mktemp("api")
    store = sesstore.open(folder / "store")
    store.tokenize([path for path, _ in list(demo_files().values())[:COUNT]], SOURCE)
    assert store.add(helices(store)).proteins == COUNT
    store.embed("onehot")
    settings = {"structure": ("dssp",), "seeds": 2, "epochs": 1, "heads": 2, "width": 8}
    run = sesstore.train(store, "helix", out=folder / "run", **settings)
    return store, run
