from __future__ import annotations

import numpy as np
import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.streaming.plan import plan_epoch
from sesstore.training import trainer
from sesstore.training.evaluate import split_data
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig
from sesstore.training.running_loss import RunningLoss

CPU = torch.device("cpu")


def test_sums_are_exact_and_go_on_where_they_were() -> None:
    losses = RunningLoss(3, CPU)
    sums = np.zeros(3)
    for number in range(50):
        loss = torch.tensor(1 / (number + 3))
        for place in (0, 2):
            losses.add(place, loss, number)
            sums[place] += float(loss) * number
    np.testing.assert_allclose(losses.fetch()[:, 0], sums, rtol=1e-15)
    assert losses.fetch()[:, 1].tolist() == [1225, 0, 1225]
    again = RunningLoss(3, CPU)
    again.restore(losses.fetch().tolist())
    np.testing.assert_array_equal(again.fetch(), losses.fetch())
    again.clear([0])
    assert again.fetch()[0].tolist() == [0, 0]
    np.testing.assert_array_equal(again.fetch()[2], losses.fetch()[2])


@pytest.mark.parametrize("every", [1e9, 0.0])
def test_the_device_is_waited_for_at_checks_and_when_the_loss_is_shown(
    taught, out, monkeypatch, every
) -> None:
    """On a GPU each look at the losses empties its queue of work."""
    looks, inner = [0], RunningLoss.fetch

    def counted(losses: RunningLoss) -> np.ndarray:
        looks[0] += 1
        return inner(losses)

    monkeypatch.setattr(RunningLoss, "fetch", counted)
    monkeypatch.setattr(trainer, "SHOW_EVERY", every)
    config = FitConfig(epochs=2, batch_tokens=150)
    shape = AdapterConfig(16, 3, heads=2)
    run = fit(taught.task(), taught.embeddings, taught.tokens, shape, config, out)
    checks, final = len(run.history), 1
    shown = _batches(taught, config) if every == 0 else 0
    assert looks[0] == checks + final + shown


def _batches(taught, config: FitConfig) -> int:
    """Of both epochs."""
    split = taught.task().splits["train"]
    lengths = split_data(taught.task(), split, taught.embeddings, None, (), 0).lengths
    plans = (plan_epoch(lengths, config.batch_tokens, seed=0, epoch=epoch) for epoch in (1, 2))
    return sum(len(plan.batches) for plan in plans)
