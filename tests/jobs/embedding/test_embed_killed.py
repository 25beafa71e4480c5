"""A process that embeds is killed at random moments; what it leaves is whole and right."""

from __future__ import annotations

import multiprocessing as mp
import signal
import sys
import time
from multiprocessing.context import ForkProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from sesstore.encoders import esm
from sesstore.encoders.base import Encoder
from sesstore.encoders.catalogue import EncoderSpec, Options
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.jobs.embedding.embed import embed
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.store.integrity import verify

KILLS, TRIES = 6, 30


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))
    spec: EncoderSpec = write_random_esm2(tmp_path / "w.pt", layers=2, dim=64, heads=4)
    return esm.load(spec, Options(tmp_path / "w.pt", "cpu"))


def _work(path: Path, encoder: Encoder, proteins: list[Protein]) -> None:
    torch.set_num_threads(1)
    embed(Store.open(path), encoder, proteins)


def _started(store: Store, encoder: Encoder, proteins: list[Protein]) -> ForkProcess:
    child = mp.get_context("fork").Process(target=_work, args=(store.path, encoder, proteins))
    child.start()
    return child


@pytest.mark.skipif(sys.platform != "linux", reason="forking beside torch is tried on Linux")
def test_killed_at_random_moments_and_run_again(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Store.writer.__kwdefaults__, "segment_bytes", 40_000)
    rng = np.random.default_rng(7)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    lengths = rng.integers(20, 200, 80)
    proteins = [Protein(f"p{i}", "".join(rng.choice(letters, n))) for i, n in enumerate(lengths)]
    whole = Store.create(tmp_path / "whole")
    began = time.perf_counter()
    _started(whole, encoder, proteins).join()
    took = time.perf_counter() - began
    store = Store.create(tmp_path / "killed")
    done, killed = [0], 0
    for _ in range(TRIES):
        child = _started(store, encoder, proteins)
        child.join(float(rng.uniform(0, took / 2)))
        child.kill()
        child.join()
        killed += child.exitcode == -signal.SIGKILL
        assert verify(store.path).ok
        done.append(len(store.embeddings()) if Store.open(store.path).encoders() else 0)
        if killed >= KILLS and done[-1]:
            break
    assert killed >= KILLS or done[-1] == len(proteins)
    assert done == sorted(done)  # what was committed stays
    report = embed(Store.open(store.path), encoder, proteins)
    assert (report.already_stored, report.encoded) == (done[-1], len(proteins) - done[-1])
    assert not verify(store.path).bad
    one, other = whole.embeddings(), Store.open(store.path).embeddings()
    assert len(other) == len(proteins)
    for protein in proteins:
        np.testing.assert_allclose(
            one.get(protein.digest), other.get(protein.digest), rtol=2e-3, atol=2e-3
        )
