from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from sesstore.errors import UnknownNameError
from sesstore.tasks import Problem
from sesstore.training.metrics import METRICS, better, compute, f1max


def classes(count: int, seed: int = 0, n: int = 300):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, count, n)
    logits = rng.standard_normal((n, count)) + 1.2 * np.eye(count)[labels]
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return scores, labels


@pytest.mark.parametrize("count", [2, 4])
def test_classes_agree_with_scikit_learn(count) -> None:
    scores, labels = classes(count)
    said = scores.argmax(1)
    binary = count == 2
    onehot = np.eye(count)[labels]
    expected = {
        "accuracy": sk.accuracy_score(labels, said),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, said),
        "mcc": sk.matthews_corrcoef(labels, said),
        "f1": sk.f1_score(labels, said, average="macro"),
        "f1_micro": sk.f1_score(labels, said, average="micro"),
        "precision": sk.precision_score(labels, said, average="macro"),
        "recall": sk.recall_score(labels, said, average="macro"),
        "auroc": sk.roc_auc_score(labels, scores[:, 1] if binary else scores, multi_class="ovr"),
        "auprc": sk.average_precision_score(labels, scores[:, 1])
        if binary
        else sk.average_precision_score(onehot, scores, average="macro"),
    }
    found = compute(
        METRICS[Problem.SINGLE_LABEL],
        Problem.SINGLE_LABEL,
        torch.from_numpy(scores),
        torch.from_numpy(labels),
    )
    assert found == pytest.approx(expected, abs=1e-6)


def test_balanced_accuracy_without_some_class_in_the_split() -> None:
    scores, labels = classes(4)
    kept = labels != 2
    found = compute(
        ["balanced_accuracy"],
        Problem.SINGLE_LABEL,
        torch.from_numpy(scores[kept]),
        torch.from_numpy(labels[kept]),
    )
    recalls = [(scores[labels == c].argmax(1) == c).mean() for c in (0, 1, 3)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recalls))


def test_regression_agrees_with_scipy_and_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(50, 10, 200)
    said = truth + rng.normal(0, 5, 200)
    expected = {
        "spearman": stats.spearmanr(said, truth)[0],
        "pearson": stats.pearsonr(said, truth)[0],
        "rmse": sk.root_mean_squared_error(truth, said),
        "mae": sk.mean_absolute_error(truth, said),
        "r2": sk.r2_score(truth, said),
    }
    found = compute(
        METRICS[Problem.REGRESSION],
        Problem.REGRESSION,
        torch.from_numpy(said),
        torch.from_numpy(truth),
    )
    assert found == pytest.approx(expected, abs=1e-5)


def slow_f1max(scores: np.ndarray, labels: np.ndarray) -> float:
    """By the definition: every threshold, protein by protein."""
    best = 0.0
    labelled = labels.sum(1) > 0
    for threshold in np.unique(scores):
        said = scores >= threshold
        precisions, recalls = [], []
        for row, truth, known in zip(said, labels, labelled, strict=True):
            if row.any():
                precisions.append((row & truth).sum() / row.sum())
            if known:
                recalls.append((row & truth).sum() / truth.sum())
        p, r = np.mean(precisions), np.mean(recalls)
        if p + r:
            best = max(best, 2 * p * r / (p + r))
    return best


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 6), st.booleans())
def test_f1max_is_the_definition(seed, n, count, ties) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((n, count))
    if ties:
        scores = scores.round(1)
    labels = rng.random((n, count)) > 0.6
    labels[0, 0] = True
    found = float(f1max(torch.from_numpy(scores), torch.from_numpy(labels.astype(np.int64))))
    assert found == pytest.approx(slow_f1max(scores, labels), abs=1e-9)


def test_multi_label_pairs() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.random((50, 7)), (rng.random((50, 7)) > 0.7).astype(np.int64)
    found = compute(
        ["auprc", "f1_micro"],
        Problem.MULTI_LABEL,
        torch.from_numpy(scores),
        torch.from_numpy(labels),
    )
    assert found["auprc"] == pytest.approx(
        sk.average_precision_score(labels.ravel(), scores.ravel()), abs=1e-6
    )
    assert found["f1_micro"] == pytest.approx(sk.f1_score(labels, scores > 0.5, average="micro"))


def test_correlation_of_one_value_is_not_a_number() -> None:
    one = torch.tensor([1.0])
    assert math.isnan(compute(["spearman"], Problem.REGRESSION, one, one)["spearman"])


def test_unknown_metrics_are_named() -> None:
    with pytest.raises(UnknownNameError, match="accuracy"):
        compute(["acuracy"], Problem.SINGLE_LABEL, torch.eye(2), torch.tensor([0, 1]))


def test_better_knows_which_way_is_up() -> None:
    assert better("accuracy", 0.9, 0.8)
    assert not better("accuracy", 0.8, 0.8)
    assert better("rmse", 1.0, 2.0)
    assert better("rmse", 1.0, None)
    assert not better("accuracy", float("nan"), None)
