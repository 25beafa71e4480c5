from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from sesstore.errors import UnknownNameError
from sesstore.tasks import Problem
from sesstore.training.metrics import GLOSSARY, METRICS, better, compute, explain


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
    assert found == pytest.approx(expected, abs=1e-9)


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
    assert found == pytest.approx(expected, abs=1e-9)


def f1max(scores: np.ndarray, labels: np.ndarray) -> float:
    given = torch.from_numpy(scores), torch.from_numpy(labels)
    return compute(["f1max"], Problem.MULTI_LABEL, *given)["f1max"]


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 6), st.booleans())
def test_f1max_is_the_definition(by_definition, seed, n, count, ties) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((n, count))
    if ties:
        scores = scores.round(1)
    labels = rng.random((n, count)) > 0.6
    labels[0, 0] = True
    found = f1max(scores, labels)
    assert found == pytest.approx(by_definition.f1max(scores, labels), abs=1e-9)


@pytest.fixture(scope="session")
def ec_labels(shared_data) -> np.ndarray:
    """Labels of the first 120 test proteins of EC: 585 classes, one or two each."""
    rows = (shared_data / "ec" / "alphafold2" / "test.jsonl").read_text().splitlines()[:120]
    labels = np.zeros((len(rows), 585), bool)
    for i, row in enumerate(rows):
        labels[i, json.loads(row)["label"]] = True
    return labels


def ranked(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Probabilities as a sigmoid gives them: most near zero, true ones often higher."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-5, 1.5, labels.shape) + labels * rng.normal(5, 2.5, labels.shape)
    return (1 / (1 + np.exp(-logits))).round(3)


def test_f1max_of_real_labels(by_definition, ec_labels) -> None:
    scores = ranked(ec_labels)
    found = f1max(scores, ec_labels)
    assert 0.3 < found < 1
    assert found == pytest.approx(by_definition.f1max(scores, ec_labels), abs=1e-9)


def test_multi_label_agrees_with_scikit_learn(ec_labels) -> None:
    scores, labels = ranked(ec_labels), ec_labels.astype(np.int64)
    said = (scores > 0.5).astype(np.int64)
    expected = {
        "auprc": sk.average_precision_score(labels.ravel(), scores.ravel()),
        "auroc": sk.roc_auc_score(labels.ravel(), scores.ravel()),
        "f1": sk.f1_score(labels, said, average="macro", zero_division=np.nan),
        "f1_micro": sk.f1_score(labels, said, average="micro"),
        "precision": sk.precision_score(labels, said, average="micro"),
        "recall": sk.recall_score(labels, said, average="micro"),
    }
    found = compute(
        expected, Problem.MULTI_LABEL, torch.from_numpy(scores), torch.from_numpy(labels)
    )
    assert found == pytest.approx(expected, abs=1e-9)
    assert set(expected) | {"f1max"} == set(METRICS[Problem.MULTI_LABEL])


def test_classes_that_do_not_occur_count_neither_as_right_nor_as_wrong() -> None:
    scores, labels = classes(4)
    kept = labels != 2
    found = compute(
        ["auroc", "auprc"],
        Problem.SINGLE_LABEL,
        torch.from_numpy(scores[kept]),
        torch.from_numpy(labels[kept]),
    )
    each = [
        (f(labels[kept] == k, scores[kept, k]))
        for f in (sk.roc_auc_score, sk.average_precision_score)
        for k in (0, 1, 3)
    ]
    assert found["auroc"] == pytest.approx(np.mean(each[:3]), abs=1e-9)
    assert found["auprc"] == pytest.approx(np.mean(each[3:]), abs=1e-9)


def test_one_class_alone_is_no_success() -> None:
    scores, labels = torch.tensor([[0.9, 0.1]] * 5), torch.zeros(5)
    found = compute(["accuracy", "mcc", "auroc"], Problem.SINGLE_LABEL, scores, labels)
    assert (found["accuracy"], found["mcc"]) == (1, 0)
    assert math.isnan(found["auroc"])


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


@pytest.mark.parametrize("problem", list(METRICS))
def test_what_is_right_is_better_than_what_is_wrong(problem) -> None:
    """By every metric, whether more or less of it is better."""
    chance = torch.Generator().manual_seed(3)
    if problem.is_regression:
        labels = torch.randn(40, generator=chance)
        right, wrong = labels, -labels + 1
    else:
        labels = torch.arange(40) % 3
        right = torch.nn.functional.one_hot(labels, 3).float() * 0.9
        wrong = right[:, [1, 2, 0]]
        if problem is Problem.MULTI_LABEL:
            labels = right.ceil().long()
    good, bad = (compute(METRICS[problem], problem, s, labels) for s in (right, wrong))
    for name in METRICS[problem]:
        assert better(name, good[name], bad[name]), name
        assert not better(name, bad[name], good[name]), name
        assert not better(name, good[name], good[name]), name
        assert better(name, bad[name], None), name


PAGE = Path(__file__).resolve().parents[2] / "docs" / "reports.md"


def test_every_metric_has_a_sentence_and_the_page_has_it_too() -> None:
    names = {name for metrics in METRICS.values() for name in metrics}
    assert names == set(GLOSSARY)
    page = PAGE.read_text("utf-8")
    for name, sentence in GLOSSARY.items():
        assert f"| `{name}` | {sentence} |" in page


def test_only_what_is_shown_is_explained() -> None:
    assert list(explain(["mcc", "unheard_of", "accuracy"])) == ["mcc", "accuracy"]


@pytest.mark.parametrize("name", ["accuracy", "rmse", "mae"])
def test_what_is_equal_is_not_better(name: str) -> None:
    assert not better(name, 0.5, 0.5)
    assert better(name, 0.5, None)
    assert not better(name, math.nan, None)


def test_what_is_not_defined_is_not_a_number() -> None:
    def value(name: str, problem: Problem, scores: list, labels: list) -> float:
        return compute([name], problem, torch.tensor(scores), torch.tensor(labels))[name]

    classes = [[0.9, 0.1], [0.2, 0.8]]
    assert value("auroc", Problem.SINGLE_LABEL, classes, [0, 1]) == 1
    assert math.isnan(value("auroc", Problem.SINGLE_LABEL, classes, [1, 1]))
    assert value("auprc", Problem.SINGLE_LABEL, classes, [1, 1]) == 1
    assert math.isnan(value("auprc", Problem.SINGLE_LABEL, classes, [0, 0]))
    assert value("mcc", Problem.SINGLE_LABEL, [[0.9, 0.1]] * 2, [0, 1]) == 0
    assert value("mcc", Problem.SINGLE_LABEL, classes, [1, 1]) == 0
    assert value("rmse", Problem.REGRESSION, [1.0, 2.0], [1.0, 4.0]) == pytest.approx(2**0.5)
    assert math.isnan(value("rmse", Problem.REGRESSION, [1.0], [1.0]))
    for constant in ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0, 1.0]):
        assert math.isnan(value("spearman", Problem.REGRESSION, *constant))


def test_a_label_that_is_half_probable_is_not_predicted() -> None:
    scores, labels = torch.tensor([[0.9, 0.5], [0.8, 0.1]]), torch.tensor([[1, 0], [1, 0]])
    assert compute(["f1"], Problem.MULTI_LABEL, scores, labels)["f1"] == 1
    scores[0, 1] = 0.51
    assert compute(["f1"], Problem.MULTI_LABEL, scores, labels)["f1"] == 0.5
