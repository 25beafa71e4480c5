"""A metric of a resample is the metric of the rows drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from sesstore.tasks import Problem
from sesstore.training.metrics import METRICS, compute
from sesstore.training.weighted_metrics import DEFINITIONS, Rows


def made(problem: Problem, seed: int, rounded: bool) -> Rows:
    """Some proteins with one to three scores each, and ties among them."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(8), rng.integers(1, 4, 8) if problem.per_residue else 1)
    width = int(rng.integers(2, 5))
    if problem.is_regression:
        labels = rng.normal(50, 10, len(rows))
        scores = labels + rng.normal(0, 8, len(rows))
        return Rows(scores.round(-1) if rounded else scores, labels.round(-rounded), rows)
    if problem is Problem.MULTI_LABEL:
        scores, labels = rng.random((len(rows), width)), rng.random((len(rows), width)) > 0.6
        labels[0, 0] = True
        return Rows(scores.round(1) if rounded else scores, labels.astype(float), rows)
    scores = rng.dirichlet(np.ones(width), len(rows))
    return Rows(scores.round(1) if rounded else scores, rng.integers(0, width, len(rows)), rows)


def defined(function, *values: np.ndarray, **settings: object) -> float:
    """What scikit-learn or SciPy says; NaN where every value of a side is the same."""
    if min(len(np.unique(side)) for side in values) < 2:
        return np.nan
    return float(function(*values, **settings))


def area(function, labels: np.ndarray, scores: np.ndarray) -> float:
    """Of one class against the rest; NaN where it is not defined."""
    undefined = labels.min() == labels.max() if function is sk.roc_auc_score else not labels.any()
    return np.nan if undefined else function(labels, scores)


def reference(name: str, problem: Problem, scores: np.ndarray, labels: np.ndarray) -> float:
    """A metric as scikit-learn or SciPy has it."""
    if problem.is_regression:
        return {
            "spearman": lambda: defined(lambda s, y: stats.spearmanr(s, y)[0], scores, labels),
            "pearson": lambda: defined(lambda s, y: stats.pearsonr(s, y)[0], scores, labels),
            "rmse": lambda: sk.root_mean_squared_error(labels, scores),
            "mae": lambda: sk.mean_absolute_error(labels, scores),
            "r2": lambda: defined(lambda y: sk.r2_score(y, scores), labels),
        }[name]()
    areas = {"auroc": sk.roc_auc_score, "auprc": sk.average_precision_score}
    if problem is Problem.MULTI_LABEL:
        truth, said = labels > 0, scores > 0.5
        if name in areas:
            return area(areas[name], truth.ravel(), scores.ravel())
        average = "macro" if name == "f1" else "micro"
        shown = (truth | said).any(0) if name == "f1" else slice(None)
        truth, said = truth[:, shown], said[:, shown]
        if not truth.shape[1]:
            return np.nan
    else:
        truth, said, width = labels, scores.argmax(1), scores.shape[1]
        average = "micro" if name == "f1_micro" else "macro"
        if name in areas:
            of = [area(areas[name], truth == k, scores[:, k]) for k in range(width)]
            return of[1] if width == 2 else np.nanmean(of) if any(v == v for v in of) else np.nan
        if name in ("accuracy", "balanced_accuracy"):
            return getattr(sk, f"{name}_score")(truth, said)
        if name == "mcc":
            return sk.matthews_corrcoef(truth, said)
    function = getattr(sk, f"{name.removesuffix('_micro')}_score")
    return function(truth, said, average=average, zero_division=0)


@given(st.sampled_from(list(METRICS)), st.integers(0, 10_000), st.booleans())
@settings(max_examples=settings.default.max_examples * 3 // 10)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_equal_to_scoring_the_drawn_rows(by_definition, problem, seed, rounded) -> None:
    data = made(problem, seed, rounded)
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, data.count, (3, data.count))
    drawn = np.stack([np.bincount(pick, minlength=data.count) for pick in picks]).astype(float)
    index = [np.concatenate([np.flatnonzero(data.rows == r) for r in pick]) for pick in picks]
    for name in METRICS[problem]:
        found = DEFINITIONS[problem][name](data)(drawn)
        for value, rows in zip(found, index, strict=True):
            scores, labels = data.scores[rows], data.labels[rows]
            if name == "f1max":
                expected = by_definition.f1max(scores, labels > 0)
            else:
                expected = reference(name, problem, scores, labels)
            assert value == pytest.approx(expected, abs=1e-9, nan_ok=True), name
            tensors = torch.from_numpy(scores), torch.from_numpy(labels)
            whole = compute([name], problem, *tensors)[name]
            assert whole == pytest.approx(expected, abs=1e-9, nan_ok=True), name


def test_correlation_of_predictions_that_hardly_differ() -> None:
    """As of a model that has learned almost nothing yet: far from the labels, and all alike."""
    labels = np.random.default_rng(0).normal(50, 10, 60)
    scores = 2 + 1e-9 * labels
    found = compute(["pearson"], Problem.REGRESSION, *map(torch.from_numpy, (scores, labels)))
    assert found["pearson"] == pytest.approx(1, abs=1e-4)


def test_a_score_that_is_not_a_number_leaves_nothing_to_say() -> None:
    scores, labels = torch.tensor([1.0, torch.nan, 3.0]), torch.tensor([1.0, 2.0, 3.0])
    found = compute(METRICS[Problem.REGRESSION], Problem.REGRESSION, scores, labels)
    assert all(np.isnan(value) for value in found.values())


def test_many_labels_are_thinned_out_with_a_small_error() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((120, 40)) > 0.9
    scores = 1 / (1 + np.exp(-(rng.normal(-3, 1, labels.shape) + 3 * labels)))
    data, once = Rows(scores, labels.astype(float), np.arange(120)), np.ones((1, 120))
    exact = {
        m: DEFINITIONS[Problem.MULTI_LABEL][m](data)(once)[0] for m in ("f1max", "auprc", "auroc")
    }
    thinned = replace(data, thresholds=200)
    for metric, value in exact.items():
        found = DEFINITIONS[Problem.MULTI_LABEL][metric](thinned)(once)[0]
        assert found == pytest.approx(value, abs=1 / 200)
