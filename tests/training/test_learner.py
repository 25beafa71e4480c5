"""A learner against a plain write-up; what it draws at random, and from what."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.adapter.model import Adapter
from sesstore.adapter.workers import Workers
from sesstore.streaming.plan import plan_epoch
from sesstore.tasks import Problem
from sesstore.training import learner as module
from sesstore.training.checkpoint import LAST, load_adapter
from sesstore.training.evaluate import split_data
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig
from sesstore.training.learner import Job, Learner

from .conftest import BARE

CPU = torch.device("cpu")


SETTINGS = {
    "plain": {"weight_decay": 0.0},
    "decay": {"weight_decay": 2.0},
    "clip": {"clip": 0.05, "lr": 2e-2},
    "warmup": {"warmup": 0.5, "lr": 2e-2},
    "cosine": {"schedule": "cosine", "warmup": 0.25, "lr": 2e-2},
    "seed": {"seed": 5},
}


def mean_loss(problem: Problem, scale, logits, labels):
    """Mean over what has a label."""
    if problem is Problem.MULTI_LABEL:
        return F.binary_cross_entropy_with_logits(logits, labels)
    if problem.is_regression:
        known = ~labels.isnan()
        return F.mse_loss(logits[known, 0], (labels[known] - scale["mean"]) / scale["std"])
    return F.cross_entropy(logits, labels, ignore_index=-100)


@pytest.mark.parametrize(
    ("problem", "name"),
    [(Problem.SINGLE_LABEL, name) for name in SETTINGS]
    + [(problem, "cosine") for problem in Problem if problem is not Problem.SINGLE_LABEL],
)
def test_training_equals_the_plain_write_up(
    taught, out, plain_training, padded, problem, name
) -> None:
    task, config = taught.task(problem), replace(BARE, **SETTINGS[name])
    pooling = "residue" if problem.per_residue else "attention1d"
    shape = AdapterConfig(16, task.n_outputs, heads=2, pooling=pooling, dropout=0.0, head="paper")
    run = fit(task, taught.embeddings, taught.tokens, shape, config, out)

    data = split_data(
        task, task.splits["train"], taught.embeddings, taught.tokens, shape.alphabets, 0
    )
    rows = [data.read(np.array([i])) for i in range(len(data))]

    def loss(weights, which):
        tokens = {n: [rows[i].tokens[n] for i in which] for n in shape.alphabets}
        values = [rows[i].values.float() for i in which]
        labels = torch.cat([rows[i].labels for i in which])
        return mean_loss(
            problem, run.scale, padded.padded_logits(shape, weights, values, tokens), labels
        )

    torch.manual_seed(config.seed)
    weights = {n: p.detach().clone() for n, p in Adapter(shape).named_parameters()}
    plain = plain_training.Plain(
        weights, loss, config.lr, config.weight_decay, config.clip, config.warmup, config.epochs,
        config.schedule == "cosine",
    )  # fmt: skip
    for entry in run.history:
        number = entry["epoch"]
        plan = plan_epoch(data.lengths, config.batch_tokens, seed=config.seed, epoch=number)
        expected = plain.epoch(number, [batch.tolist() for batch in plan.batches])
        assert entry["loss"] == pytest.approx(expected, rel=1e-3)
    assert plain.steps > 9
    for key, weight in load_adapter(run, name=LAST).named_parameters():
        # The bias of keys has nearly no gradient, and AdamW divides rounding by rounding.
        if not key.endswith("key_value.bias"):
            other = weights[key].detach()
            assert float((weight.detach() - other).norm()) < 5e-3 * float(other.norm()), key


def a_learner(taught, config: FitConfig = BARE, **shape) -> Learner:
    adapter = AdapterConfig(16, 3, heads=2, **shape)
    return Learner(taught.task(), adapter, config, CPU)


def a_batch(taught, rows):
    task = taught.task()
    data = split_data(
        task, task.splits["train"], taught.embeddings, taught.tokens, ("foldseek", "dssp"), 0
    )
    return data.read(np.array(rows))


def test_weights_of_classes_and_focus_reach_the_loss(taught) -> None:
    batch = a_batch(taught, range(9))
    plain, *others = (
        losses(a_learner(taught, replace(BARE, **settings), dropout=0.0), batch, 1, 0)[0]
        for settings in ({}, {"focal": 2.0}, {"class_weights": (9.0, 1.0, 1.0)})
    )
    assert len({plain, *others}) == 3
    learner = a_learner(taught, replace(BARE, class_weights="balanced"))
    counts = np.bincount(taught.task().splits["train"].labels)
    torch.testing.assert_close(learner.loss.class_weights, torch.tensor(36 / (3 * counts)).float())


def test_each_seed_begins_with_weights_of_its_own(taught) -> None:
    for seed in (0, 3, 4):
        made = a_learner(taught, replace(BARE, seed=seed)).adapter
        torch.manual_seed(seed)
        expected = Adapter(made.config)
        for name, weight in expected.named_parameters():
            assert torch.equal(weight, made.get_parameter(name)), name
    torch.manual_seed(9)
    before = torch.get_rng_state()
    a_learner(taught)
    assert torch.equal(torch.get_rng_state(), before)


def losses(learner: Learner, batch, epoch: int, number: int) -> list[float]:
    jobs = learner.jobs(batch, epoch, number)
    return [float(loss) for loss, *_ in Workers(None).map(Job.run, jobs, Job.cost)]


def test_every_epoch_batch_part_and_seed_has_dropout_of_its_own(taught, monkeypatch) -> None:
    monkeypatch.setattr(module, "PART", 1)
    batch = a_batch(taught, [4, 4, 4])  # three parts that differ in nothing else
    first = a_learner(taught, dropout=0.5)
    other = a_learner(taught, replace(BARE, seed=1), dropout=0.5)
    other.adapter.load_state_dict(first.adapter.state_dict())
    drawn = [
        *losses(first, batch, 1, 0),
        *losses(first, batch, 1, 1),
        *losses(first, batch, 2, 0),
        *losses(other, batch, 1, 0),
    ]
    assert len(set(drawn)) == len(drawn) == 12
    assert losses(first, batch, 1, 0) == drawn[:3]


def test_parts_sum_to_the_gradient_of_the_whole(taught, monkeypatch) -> None:
    batch = a_batch(taught, range(9))
    whole = a_learner(taught, dropout=0.0).jobs(batch, 1, 0)
    monkeypatch.setattr(module, "PART", 30)
    parts = a_learner(taught, dropout=0.0).jobs(batch, 1, 0)
    assert len(whole) == 1 < len(parts)
    for one, *several in zip(whole[0].run(), *(job.run() for job in parts), strict=True):
        torch.testing.assert_close(sum(several), one, rtol=1e-4, atol=1e-6)


def test_a_batch_without_labels_teaches_nothing(taught) -> None:
    learner, batch = a_learner(taught), a_batch(taught, [0, 1])
    before = {n: p.clone() for n, p in learner.adapter.named_parameters()}
    assert learner.step(replace(batch, labels=None), 1, 0, 1, Workers(None)) == 0.0
    for name, weight in before.items():
        assert torch.equal(weight, learner.adapter.get_parameter(name))


def entry(epoch: int, accuracy: float) -> dict[str, object]:
    return {"epoch": epoch, "valid": {"accuracy": accuracy}}


def test_patience_counts_epochs_since_the_best(taught) -> None:
    learner = a_learner(taught, replace(BARE, epochs=9, patience=2))
    for epoch, accuracy in enumerate((0.5, 0.4, 0.6, 0.6, float("nan")), 1):
        assert not learner.is_finished
        learner.check(entry(epoch, accuracy))
    assert learner.is_finished
    assert [e["best"] for e in learner.history] == [True, False, True, False, False]
    assert (learner.best, learner.checks_without_gain) == (0.6, 2)
    short = a_learner(taught, replace(BARE, epochs=1))
    short.check(entry(1, 0.5))
    assert short.is_finished


def test_the_best_weights_are_those_of_their_epoch(taught) -> None:
    learner, batch = a_learner(taught), a_batch(taught, [0, 1, 2])
    learner.step(batch, 1, 0, 1, Workers(None))
    learner.check(entry(1, 0.5))
    then = {n: p.clone() for n, p in learner.adapter.named_parameters()}
    learner.step(batch, 2, 0, 1, Workers(None))
    learner.check(entry(2, 0.5))
    for name, weight in then.items():
        assert torch.equal(learner.best_weights[name], weight)
        assert not torch.equal(learner.adapter.get_parameter(name), weight)
    again = a_learner(taught)
    again.restore(dict(learner.tensors()), learner.facts())
    assert again.facts() == learner.facts()
    for name, tensor in learner.tensors():
        assert torch.equal(dict(again.tensors())[name], tensor), name


@pytest.mark.parametrize(
    ("epochs_past", "checks", "stop_after", "finished"),
    [(4, 0, None, False), (5, 0, None, True), (1, 2, None, False), (1, 3, None, True),
     (2, 0, 3, False), (3, 0, 3, True), (0, 0, 0, True)],
)  # fmt: skip
def test_when_a_learner_is_finished(epochs_past, checks, stop_after, finished) -> None:
    learner = Learner.__new__(Learner)
    learner.config = replace(BARE, epochs=5, patience=3, stop_after=stop_after)
    learner.pace = SimpleNamespace(patience=3)
    learner.history = [{"epoch": epochs_past}] if epochs_past else []
    learner.checks_without_gain = checks
    assert learner.is_finished is finished
