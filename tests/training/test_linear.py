"""Linear models against scikit-learn's; folds that keep equal sequences together."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge
from torch.nn import functional as F  # noqa: N812

from sesstore.errors import InputError
from sesstore.tasks import Problem
from sesstore.training import linear
from sesstore.training.linear import fit_linear, fold_rows

ROWS, WIDTH = 90, 12


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((ROWS, WIDTH)) * rng.uniform(0.1, 9, WIDTH) + 3


@pytest.fixture(scope="module")
def folds() -> np.ndarray:
    return np.arange(ROWS) % 5


def standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / x.std(0, ddof=1)


def test_regression_is_scikit_learns_ridge(inputs: np.ndarray, folds: np.ndarray) -> None:
    y = inputs @ np.linspace(-1, 1, WIDTH) + np.random.default_rng(1).standard_normal(ROWS)
    model = fit_linear(torch.tensor(inputs), torch.tensor(y), Problem.REGRESSION, 1, folds)
    x = standardised(inputs)
    reference = Ridge(alpha=model.penalty * ROWS).fit(x, y)
    outputs = model.outputs(torch.tensor(inputs))[:, 0]
    np.testing.assert_allclose(outputs, reference.predict(x), rtol=1e-9)
    for fold in range(5):
        seen = folds != fold
        left_out = Ridge(alpha=model.penalty * seen.sum()).fit(x[seen], y[seen])
        np.testing.assert_allclose(model.held_out[~seen, 0], left_out.predict(x[~seen]), rtol=1e-9)
    single = torch.tensor(inputs).float()  # as embeddings come
    again = fit_linear(
        single, torch.tensor(y).float(), Problem.REGRESSION, 1, folds, torch.ones(WIDTH)
    )
    assert again.weight.dtype == torch.float64
    np.testing.assert_allclose(again.outputs(single)[:, 0], outputs, rtol=1e-4, atol=1e-4)


def test_more_features_than_rows(inputs: np.ndarray, folds: np.ndarray) -> None:
    wide = np.concatenate([inputs, np.random.default_rng(2).standard_normal((ROWS, 200))], 1)
    y = inputs[:, 0]
    model = fit_linear(torch.tensor(wide), torch.tensor(y), Problem.REGRESSION, 1, folds)
    x = standardised(wide)
    reference = Ridge(alpha=model.penalty * ROWS).fit(x, y)
    np.testing.assert_allclose(
        model.outputs(torch.tensor(wide))[:, 0], reference.predict(x), rtol=1e-7
    )


def test_classes_are_scikit_learns_logistic_regression(
    inputs: np.ndarray, folds: np.ndarray
) -> None:
    noise = np.random.default_rng(3).standard_normal((ROWS, 3)) * 3
    classes = (standardised(inputs)[:, :3] * 2 + noise).argmax(1)
    model = fit_linear(torch.tensor(inputs), torch.tensor(classes), Problem.SINGLE_LABEL, 3, folds)
    x = standardised(inputs)
    reference = LogisticRegression(C=1 / (model.penalty * ROWS), tol=1e-9, max_iter=1000)
    expected = reference.fit(x, classes).predict_proba(x)
    found = model.outputs(torch.tensor(inputs)).softmax(1)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_each_of_several_labels_is_a_logistic_regression(
    inputs: np.ndarray, folds: np.ndarray
) -> None:
    noise = np.random.default_rng(4).standard_normal((ROWS, 2)) * 2
    labels = (standardised(inputs)[:, :2] + noise > 0).astype(np.float32)
    model = fit_linear(torch.tensor(inputs), torch.tensor(labels), Problem.MULTI_LABEL, 2, folds)
    x = standardised(inputs)
    reference = LogisticRegression(C=1 / (model.penalty * ROWS), tol=1e-9, max_iter=1000)
    for k in range(2):
        expected = reference.fit(x, labels[:, k]).predict_proba(x)[:, 1]
        found = model.outputs(torch.tensor(inputs)).sigmoid()[:, k]
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_emphasis_is_a_weaker_penalty_and_none_leaves_a_feature_out(
    inputs: np.ndarray, folds: np.ndarray
) -> None:
    y = inputs @ np.linspace(-1, 1, WIDTH) + np.random.default_rng(1).standard_normal(ROWS)
    emphasis = torch.tensor([0.0, *[1.0] * (WIDTH - 2), 10.0])
    model = fit_linear(
        torch.tensor(inputs), torch.tensor(y), Problem.REGRESSION, 1, folds, emphasis
    )
    x = standardised(inputs) * emphasis.numpy()
    reference = Ridge(alpha=model.penalty * ROWS).fit(x, y)
    outputs = model.outputs(torch.tensor(inputs))[:, 0]
    np.testing.assert_allclose(outputs, reference.predict(x), rtol=1e-9)
    assert model.weight[0] == 0


@pytest.mark.parametrize("problem", [Problem.SINGLE_LABEL, Problem.MULTI_LABEL])
def test_many_unknowns_are_searched_to_the_same_optimum(
    problem: Problem, inputs: np.ndarray, folds: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(6).standard_normal((ROWS, 3)) * 2
    scores = torch.tensor(standardised(inputs)[:, :3] + noise)
    labels = (scores > 0).double() if problem is Problem.MULTI_LABEL else scores.argmax(1)
    few = fit_linear(torch.tensor(inputs), labels, problem, 3, folds)
    monkeypatch.setattr(linear, "NEWTON_UNKNOWNS", 0)
    many = fit_linear(torch.tensor(inputs), labels, problem, 3, folds)
    assert few.penalty == many.penalty
    probabilities = torch.sigmoid if problem is Problem.MULTI_LABEL else partial(F.softmax, dim=1)
    for first, second in (
        (few.held_out, many.held_out),
        (few.outputs(torch.tensor(inputs)), many.outputs(torch.tensor(inputs))),
    ):
        np.testing.assert_allclose(probabilities(first), probabilities(second), atol=1e-3)


def test_noise_is_shrunk_to_the_mean(inputs: np.ndarray, folds: np.ndarray) -> None:
    y = torch.tensor(np.random.default_rng(5).standard_normal(ROWS))
    model = fit_linear(torch.tensor(inputs), y, Problem.REGRESSION, 1, folds)
    outputs = model.outputs(torch.tensor(inputs))
    assert float(outputs.std()) < 0.2 * float(y.std())


def test_a_feature_that_never_changes_and_a_class_that_a_fold_lacks(folds: np.ndarray) -> None:
    x = torch.ones(ROWS, 2, dtype=torch.float64)
    x[:, 1] = torch.arange(ROWS)
    classes = torch.zeros(ROWS, dtype=torch.int64)
    classes[0] = 2
    model = fit_linear(x, classes, Problem.SINGLE_LABEL, 3, folds)
    assert model.outputs(x).isfinite().all()
    assert model.held_out.isfinite().all()


def test_one_sequence_is_not_enough() -> None:
    with pytest.raises(InputError, match="two sequences"):
        fit_linear(torch.ones(3, 2), torch.ones(3), Problem.REGRESSION, 1, np.zeros(3, np.int64))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=60),
    st.integers(0, 5),
)
def test_folds(rows: list[tuple[int, int]], seed: int) -> None:
    """A sequence is in one fold; folds are as even as sequences allow."""
    digests = np.array([[number] * 32 for number, _ in rows], np.uint8)
    folds = fold_rows(digests, [label for _, label in rows], seed=seed)
    of_sequence: dict[int, set[int]] = {}
    for (number, _), fold in zip(rows, folds, strict=True):
        of_sequence.setdefault(number, set()).add(int(fold))
    assert all(len(values) == 1 for values in of_sequence.values())
    sizes = np.bincount([values.pop() for values in of_sequence.values()])
    assert len(sizes) == min(5, len(of_sequence))
    assert sizes.max() - sizes.min() <= 1


def test_labels_are_spread_over_folds() -> None:
    digests = np.arange(100, dtype=np.uint8)[:, None].repeat(32, 1)
    labels = [0] * 90 + [1] * 10
    folds = fold_rows(digests, labels)
    assert np.bincount(folds[90:], minlength=5).tolist() == [2] * 5
    assert np.array_equal(fold_rows(digests, labels), folds)
    assert not np.array_equal(fold_rows(digests, labels, seed=1), folds)


def sequences(counts: list[int]) -> np.ndarray:
    """Digests of rows: so many of each sequence."""
    one = np.random.default_rng(0).integers(0, 256, (len(counts), 32), np.uint8)
    return np.repeat(one, counts, axis=0)


@pytest.mark.parametrize(
    ("rows", "outputs", "most", "drawn"),
    [(10, 1, 10, 10), (11, 1, 10, 10), (10, 3, 10, 10), (10, 4, 10, 7), (10, 99, 10, 2)],
)
def test_as_many_rows_are_drawn_as_can_be_fitted(monkeypatch, rows, outputs, most, drawn) -> None:
    """At most so many rows, and rows times outputs: here 10, and 30."""
    monkeypatch.setattr(linear, "MOST_ROWS", most)
    monkeypatch.setattr(linear, "MOST_TARGETS", 30)
    chosen = linear.draw_rows(sequences([1] * rows), outputs)
    assert len(chosen) == drawn
    assert (np.diff(chosen) > 0).all()


def test_rows_of_a_sequence_are_drawn_together(monkeypatch) -> None:
    monkeypatch.setattr(linear, "MOST_ROWS", 6)
    digests = sequences([2] * 6)
    chosen = linear.draw_rows(digests, 1)
    assert len(chosen) == 6
    assert (chosen[::2] + 1 == chosen[1::2]).all()
    assert (chosen[::2] % 2 == 0).all()
