from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import InputError
from sesstore.streaming.plan import plan_epoch
from sesstore.tasks import IGNORED, Problem, Split, Task
from sesstore.training import trainer
from sesstore.training.evaluate import split_data
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig
from sesstore.training.losses import Loss, RunningLoss, class_weights, label_scale

LOGITS = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([0, 1, 2, 0, 0, 1, 2, 2, 1, 0, 0, 0])
MANY = (torch.rand(12, 3, generator=torch.Generator().manual_seed(1)) > 0.5).float()


def mean(loss: Loss, logits, labels) -> float:
    return float(loss.total(logits, labels)) / loss.weight(labels)


def test_means_are_torchs() -> None:
    weights = torch.tensor([1.0, 2.0, 0.5])
    single = Loss(Problem.SINGLE_LABEL, class_weights=weights)
    assert mean(single, LOGITS, CLASSES) == pytest.approx(
        float(F.cross_entropy(LOGITS, CLASSES, weight=weights)), rel=1e-5
    )
    multi = Loss(Problem.MULTI_LABEL, class_weights=weights)
    assert mean(multi, LOGITS, MANY) == pytest.approx(
        float(F.binary_cross_entropy_with_logits(LOGITS, MANY, pos_weight=weights)), rel=1e-5
    )
    values = torch.linspace(40, 60, 12)
    regression = Loss(Problem.REGRESSION, {"mean": 50.0, "std": 5.0})
    assert mean(regression, LOGITS[:, :1], values) == pytest.approx(
        float(F.mse_loss(LOGITS[:, 0], (values - 50) / 5)), rel=1e-5
    )


def test_residues_without_a_label_do_not_count() -> None:
    some = CLASSES.clone()
    some[::2] = IGNORED
    loss = Loss(Problem.RESIDUE_SINGLE_LABEL)
    assert mean(loss, LOGITS, some) == pytest.approx(mean(loss, LOGITS[1::2], CLASSES[1::2]))
    values = torch.linspace(0, 1, 12)
    values[3:] = torch.nan
    regression = Loss(Problem.RESIDUE_REGRESSION, {"mean": 0.0, "std": 1.0})
    assert mean(regression, LOGITS[:, :1], values) == pytest.approx(
        mean(regression, LOGITS[:3, :1], values[:3])
    )


@pytest.mark.parametrize("focal", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("problem", [Problem.RESIDUE_SINGLE_LABEL, Problem.RESIDUE_REGRESSION])
def test_items_without_a_label_change_neither_loss_nor_gradient(problem, focal) -> None:
    """They are multiplied by zero, which must not meet an infinity or NaN."""
    labels = torch.linspace(40, 60, 12).double() if problem.is_regression else CLASSES
    weights = None if problem.is_regression else torch.tensor([1.0, 2.0, 0.5])
    loss = Loss(problem, {"mean": 50.0, "std": 5.0}, weights, focal)
    logits = (LOGITS[:, :1] if problem.is_regression else LOGITS).double()
    logits[0] *= 1e3  # as sure as can be
    some, known = labels.clone(), torch.arange(12) % 3 > 0
    some[~known] = torch.nan if problem.is_regression else IGNORED
    results = []
    for own, goal in ((logits, some), (logits[known], labels[known])):
        own = own.clone().requires_grad_()
        total = loss.total(own, goal)
        results.append((total.detach(), torch.autograd.grad(total, own)[0], loss.weight(goal)))
    (total, gradient, weight), (expected, of_known, wanted) = results
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(gradient[known], of_known)
    assert not gradient[~known].any()
    assert weight == wanted


@pytest.mark.parametrize(("problem", "labels"), [("single_label", CLASSES), ("multi_label", MANY)])
def test_focal_loss_is_the_papers(problem, labels) -> None:
    focal = Loss(Problem(problem), focal=2.0)
    if problem == "single_label":
        right = LOGITS.softmax(-1)[torch.arange(12), labels]
    else:
        chance = LOGITS.sigmoid()
        right = torch.where(labels > 0, chance, 1 - chance)
    expected = -((1 - right) ** 2 * right.log()).mean()
    assert mean(focal, LOGITS, labels) == pytest.approx(float(expected), rel=1e-5)


def test_balanced_weights_make_classes_count_alike(taught) -> None:
    task = taught.task()
    weights = class_weights(task, "balanced")
    counts = np.bincount(task.splits["train"].labels, minlength=3)
    totals = weights.numpy() * counts
    np.testing.assert_allclose(totals, totals[0], rtol=1e-6)
    assert totals.sum() == pytest.approx(counts.sum())


def test_balanced_weights_of_several_labels_are_negatives_over_positives(taught) -> None:
    task = taught.task(Problem.MULTI_LABEL)
    rows = task.splits["train"].labels
    positive = np.array([sum(c in row for row in rows) for c in range(3)])
    expected = (len(rows) - positive) / positive
    np.testing.assert_allclose(class_weights(task, "balanced").numpy(), expected, rtol=1e-6)


def test_given_weights_are_checked(taught) -> None:
    task = taught.task()
    assert class_weights(task, None) is None
    assert class_weights(task, (1.0, 2.0, 3.0)).tolist() == [1, 2, 3]
    with pytest.raises(InputError, match="3 class weights"):
        class_weights(task, (1.0, 2.0))
    with pytest.raises(InputError, match="regression"):
        class_weights(taught.task(Problem.REGRESSION), "balanced")


def test_only_labels_of_train_are_counted(taught) -> None:
    for problem in (Problem.SINGLE_LABEL, Problem.REGRESSION):
        task = taught.task(problem)
        odd = replace(task.splits["valid"], labels=[2] * len(task.splits["valid"]))
        other = replace(task, splits={**task.splits, "valid": odd, "test": odd})
        assert label_scale(other) == label_scale(task)
        if problem is Problem.SINGLE_LABEL:
            assert torch.equal(class_weights(other, "balanced"), class_weights(task, "balanced"))


def test_label_scale(taught) -> None:
    task = taught.task(Problem.RESIDUE_REGRESSION)
    known = np.concatenate(task.splits["train"].labels)
    scale = label_scale(task)
    assert scale["mean"] == pytest.approx(np.nanmean(known))
    assert scale["std"] == pytest.approx(np.nanstd(known, ddof=1))
    assert label_scale(taught.task()) == {}


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


@pytest.mark.parametrize(
    ("values", "mean", "std"),
    [([3.0], 3.0, 1.0), ([3.0, 3.0], 3.0, 1.0), ([1.0, 3.0], 2.0, 2**0.5)],
)
def test_values_that_do_not_vary_are_not_scaled(values, mean: float, std: float) -> None:
    rows = Split(tuple(map(str, values)), np.zeros((len(values), 32), np.uint8), values)
    task = Task("t", Problem.REGRESSION, ("Tm",), {"train": rows}, ("rmse",), "rmse")
    assert label_scale(task) == pytest.approx({"mean": mean, "std": std})


def test_classes_no_train_row_has_weigh_as_if_one_had() -> None:
    rows = Split(tuple("abcd"), np.zeros((4, 32), np.uint8), [0, 0, 0, 1])
    task = Task("t", Problem.SINGLE_LABEL, tuple("xyz"), {"train": rows}, ("mcc",), "mcc")
    weights = class_weights(task, "balanced")
    assert weights.tolist() == pytest.approx([5 / 9, 5 / 3, 5 / 3])
    marks = Split(tuple("ab"), np.zeros((2, 32), np.uint8), [(0,), (0,)])
    several = Task("t", Problem.MULTI_LABEL, tuple("xy"), {"train": marks}, ("f1",), "f1")
    assert class_weights(several, "balanced").tolist() == [0.5, 1.0]
