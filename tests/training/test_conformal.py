from __future__ import annotations

import numpy as np
import pytest
import torch

from sesstore.tasks import Problem
from sesstore.training.conformal import Conformal, fit_conformal, nonconformity


def draw(problem: Problem, rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    if problem.is_regression:
        truth = torch.randn(rows, generator=rng)
        return truth + torch.randn(rows, generator=rng), truth
    logits = 2 * torch.randn(rows, 6, generator=rng)
    if problem is Problem.MULTI_LABEL:
        chances = logits.sigmoid()
        return chances, (torch.rand(rows, 6, generator=rng) < chances).long()
    chances = logits.softmax(-1)
    return chances, torch.multinomial(chances, 1, generator=rng)[:, 0]


@pytest.mark.parametrize("problem", [Problem.SINGLE_LABEL, Problem.MULTI_LABEL, Problem.REGRESSION])
def test_nine_in_ten_hold_the_truth(problem: Problem) -> None:
    covered = []
    for seed in range(40):
        conformal = fit_conformal(*draw(problem, 100, seed), problem)
        covered.append(conformal.covered(*draw(problem, 1000, 1000 + seed), problem).mean())
    assert 0.89 < np.mean(covered) < 0.93


def test_the_margin_is_the_right_order_statistic() -> None:
    values = torch.arange(1.0, 20.0)  # 19 errors: the 18th of (19 + 1) * 0.9
    conformal = fit_conformal(values, torch.zeros(19), Problem.REGRESSION)
    assert conformal.margin == 18
    assert conformal.bounds(torch.tensor([1.0]))[0].item() == -17
    nine = fit_conformal(values[:9], torch.zeros(9), Problem.REGRESSION)
    assert nine.margin == 9  # the 9th of (9 + 1) * 0.9: the last there is
    assert fit_conformal(values[:8], torch.zeros(8), Problem.REGRESSION).margin == float("inf")
    few = fit_conformal(values[:5], torch.zeros(5), Problem.REGRESSION)
    assert few.margin == float("inf")


def test_sets_hold_the_best_class_and_those_probable_enough() -> None:
    scores, labels = draw(Problem.SINGLE_LABEL, 200, 0)
    conformal = fit_conformal(scores, labels, Problem.SINGLE_LABEL)
    inside = conformal.sets(scores, Problem.SINGLE_LABEL)
    assert inside.gather(1, scores.argmax(1, keepdim=True)).all()
    assert ((scores >= 1 - conformal.margin) <= inside).all()


SINGLE, MULTI, VALUE = Problem.SINGLE_LABEL, Problem.MULTI_LABEL, Problem.REGRESSION


@pytest.mark.parametrize(
    ("problem", "scores", "members"),
    [
        (MULTI, [0.75, 0.74, 0.9], [True, False, True]),
        (MULTI, [0.7, 0.1, 0.2], [False, False, False]),
        (SINGLE, [0.2, 0.1, 0.7], [False, False, True]),
        (SINGLE, [0.75, 0.1, 0.15], [True, False, False]),
    ],
)
def test_classes_from_the_margin_on_are_in_a_set(problem, scores, members) -> None:
    sets = Conformal(0.25, 0.9, 10).sets(torch.tensor([scores]), problem)
    assert sets.tolist() == [members]


@pytest.mark.parametrize(
    ("problem", "scores", "labels", "covered"),
    [
        (VALUE, [1.0, 1.25, 1.26, 0.75, 0.74], [1.0] * 5, [True, True, False, True, False]),
        (SINGLE, [[0.75, 0.25], [0.75, 0.25]], [0, 1], [True, False]),
        (MULTI, [[0.75, 0.8], [0.75, 0.7], [0.1, 0.1]], [[1, 1], [1, 1], [0, 0]],
         [True, False, True]),
    ],
)  # fmt: skip
def test_what_holds_the_truth(problem, scores, labels, covered) -> None:
    conformal = Conformal(0.25, 0.9, 10)
    held = conformal.covered(torch.tensor(scores), torch.tensor(labels), problem)
    assert held.tolist() == covered


def test_the_least_probable_of_several_classes_is_the_error() -> None:
    scores, labels = torch.tensor([[0.75, 0.5, 0.25], [0.5, 0.5, 0.5]]), torch.zeros(2, 3)
    labels[0, :2] = 1
    assert nonconformity(scores, labels, MULTI).tolist() == [0.5, 0.0]
    assert nonconformity(scores, torch.tensor([0, 2]), SINGLE).tolist() == [0.25, 0.5]
    conformal = fit_conformal(torch.arange(1.0, 4.0), torch.zeros(3), VALUE, level=0.5)
    assert conformal == Conformal(2.0, 0.5, 3)
