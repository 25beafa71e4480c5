"""What the PLM in the loop would cost."""

from __future__ import annotations

import itertools

import pytest

from sesstore.jobs.training.plm_cost import measure_plm, own_encoder
from sesstore.jobs.training.train import prepare
from sesstore.store import Store
from sesstore.streaming.plan import plan_epoch
from sesstore.training.fit_config import FitConfig


def test_what_the_plm_in_the_loop_would_cost_is_scaled_by_work(filled: Store, monkeypatch) -> None:
    """By a clock that ticks when it is read: a batch takes a tick, the first is not counted."""
    inputs = prepare(filled, "deeploc_binary", plm="blosum62")
    clock = itertools.count()
    monkeypatch.setattr("sesstore.jobs.training.plm_cost.time.perf_counter", lambda: next(clock))
    encoder, config = own_encoder(inputs), FitConfig(batch_tokens=1500)
    digests = inputs.task.splits["train"].digests
    lengths = inputs.embeddings.lengths[inputs.embeddings.find(digests)]
    plan = plan_epoch(lengths, 1500, seed=config.seed, epoch=1).batches
    assert len(plan) > 3
    counted = sum(int(lengths[rows].sum()) for rows in plan[1:3])
    cost = measure_plm(filled, inputs, encoder, 0.5, config, batches=2)
    assert cost.seconds == pytest.approx(2 * lengths.sum() / counted)
    assert cost.measured_residues == counted


def test_what_the_plm_in_the_loop_would_cost(filled: Store) -> None:
    inputs = prepare(filled, "deeploc_binary", plm="onehot")
    encoder = own_encoder(inputs)
    cost = measure_plm(filled, inputs, encoder, 0.5, FitConfig(batch_tokens=2000), batches=2)
    assert cost.encoder == "onehot"
    assert cost.epoch == pytest.approx(0.5 + cost.seconds)
    assert cost.ratio == pytest.approx(cost.epoch / 0.5)
    assert cost.seconds > 0
