from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from sesstore.tasks import Problem
from sesstore.training.intervals import Predicted
from sesstore.training.perclass import ClassScore, class_scores, confusion


def run(scores: np.ndarray, labels: np.ndarray) -> Predicted:
    return Predicted(torch.from_numpy(scores), torch.from_numpy(labels), torch.arange(len(labels)))


def test_single_label_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.dirichlet((1, 1, 1, 1), 200), rng.integers(0, 3, 200)  # "d" is never true
    said = scores.argmax(1)
    found = class_scores("abcd", Problem.SINGLE_LABEL, [run(scores, labels)])
    p, r, f, n = sk.precision_recall_fscore_support(labels, said, labels=range(4), zero_division=0)
    assert [c.name for c in found] == list("abcd")
    assert [c.true for c in found] == n.tolist()
    assert [c.precision for c in found] == pytest.approx(p)
    assert [c.f1 for c in found] == pytest.approx(f)
    assert [c.recall for c in found[:3]] == pytest.approx(r[:3])
    assert math.isnan(found[3].recall)
    assert math.isnan(found[3].auprc)
    assert found[1].auprc == pytest.approx(sk.average_precision_score(labels == 1, scores[:, 1]))
    matrix = confusion(4, [run(scores, labels)])
    assert (matrix == sk.confusion_matrix(labels, said, labels=range(4))).all()


def test_multi_label_counts_pairs() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.random((50, 6)), (rng.random((50, 6)) > 0.7).astype(np.int64)
    found = class_scores("abcdef", Problem.MULTI_LABEL, [run(scores, labels)])
    p, r, *_ = sk.precision_recall_fscore_support(labels, scores > 0.5)
    assert [c.precision for c in found] == pytest.approx(p)
    assert [c.recall for c in found] == pytest.approx(r)


def test_seeds_are_summed_and_regression_has_no_classes() -> None:
    rng = np.random.default_rng(2)
    runs = [run(rng.dirichlet((1, 1), 30), np.arange(30) % 2) for _ in range(3)]
    found = class_scores("ab", Problem.SINGLE_LABEL, runs)
    assert [c.true for c in found] == [45, 45]
    matrix = confusion(2, runs)
    assert matrix.sum() == 90
    assert np.diag(matrix).tolist() == [c.right for c in found]
    assert class_scores(["tm"], Problem.REGRESSION, []) == []


def test_a_class_is_predicted_above_the_threshold_and_not_at_it() -> None:
    scores = np.array([[0.5, 0.51], [0.5, 0.49]])
    first, second = class_scores("ab", Problem.MULTI_LABEL, [run(scores, np.zeros((2, 2)))])
    assert (first.said, second.said) == (0, 1)
    assert math.isnan(first.f1)
    assert math.isnan(first.precision)
    assert (second.f1, second.precision) == (0.0, 0.0)
    assert ClassScore("a", 0, 4, 0, 0.5).f1 == ClassScore("a", 4, 0, 0, 0.5).f1 == 0.0


def test_areas_are_means_over_seeds() -> None:
    labels = np.array([0, 1])
    good, bad = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.1, 0.9], [0.9, 0.1]])
    runs = [run(good, labels), run(bad, labels)]
    assert [c.auprc for c in class_scores("ab", Problem.SINGLE_LABEL, runs)] == [0.75, 0.75]
