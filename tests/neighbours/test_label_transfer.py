from __future__ import annotations

import numpy as np
import pytest

from sesstore.neighbours.label_transfer import (
    Transfer,
    calibrate,
    is_right,
    reliability_indices,
    transfer,
)
from sesstore.tasks import Problem


def test_the_index_is_gopredsims() -> None:
    distance = np.array([0.0, 0.5, 1.5])
    indices = reliability_indices([1, 1, 0], distance, 3)
    np.testing.assert_allclose(indices, [0.25 / 3, (1 + 0.5) / 3, 0])
    several = reliability_indices([(0, 1), (), (1,)], distance, 2)
    np.testing.assert_allclose(several, [1 / 3, (1 + 0.25) / 3])


def test_labels_are_those_of_the_nearest() -> None:
    assert transfer([2, 0, 0], [1.0, 0.9, 0.9], Problem.SINGLE_LABEL, 3).label == 0
    several = transfer([(0, 1), (1,)], [1.0, 1.0], Problem.MULTI_LABEL, 3)
    assert (several.label, several.reliability) == ([0, 1], 1.0)
    assert transfer([(), ()], [1.0, 1.0], Problem.MULTI_LABEL, 3).label == []
    value = transfer([10.0, 40.0], [1.0, 0.5], Problem.REGRESSION, 1)
    assert value.label == pytest.approx((10 * 1 + 40 * 0.5) / 1.5)
    assert value.reliability == pytest.approx(0.75)


def test_calibration_equals_isotonic_regression() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    rng = np.random.default_rng(2)
    reliability = np.round(rng.random(300), 2)
    right = (rng.random(300) < reliability).astype(float)
    model = isotonic.IsotonicRegression().fit(reliability, right)
    learned = calibrate(reliability, right)
    np.testing.assert_allclose(
        [learned(value) for value in reliability], model.predict(reliability), atol=1e-9
    )
    errors = calibrate(reliability, 1 - right, falling=True)
    np.testing.assert_allclose(
        [errors(value) for value in reliability], 1 - model.predict(reliability), atol=1e-9
    )
    assert learned(-1.0) == learned(0.0)


SINGLE, MULTI, VALUE = Problem.SINGLE_LABEL, Problem.MULTI_LABEL, Problem.REGRESSION


def test_several_labels_are_transferred_from_an_index_of_a_half() -> None:
    """Or the best alone, where none is as high."""
    half = transfer([(0, 1), (0,)], [1.0, 1.0], MULTI, 3)
    assert (half.label, half.reliability) == ([0, 1], 1.0)
    below = transfer([(0, 1), (0,), (0,)], [1.0, 1.0, 1.0], MULTI, 3)
    assert below.label == [0]
    low = transfer([(2, 1), (1,), (), ()], [1.0, 0.5, 1.0, 1.0], MULTI, 3)
    assert (low.label, low.reliability) == ([1], 0.375)
    assert transfer([7.0], [1.5], VALUE, 1).reliability == 1.0  # rounding may pass a cosine of 1


@pytest.mark.parametrize(
    ("problem", "label", "truth", "right"),
    [
        (SINGLE, 1, 1, 1.0),
        (SINGLE, 1, 0, 0.0),
        (MULTI, [0, 1, 2, 3], (1, 7), 0.25),
        (MULTI, [], (), 1.0),
        (MULTI, [], (1,), 0.0),
        (MULTI, [1], (), 0.0),
        (VALUE, 2.0, 5.0, 3.0),
        (VALUE, 5.0, 2.0, 3.0),
    ],
)
def test_how_right_a_label_is(problem, label, truth, right) -> None:
    assert is_right(Transfer(label, 0.5), truth, problem) == right


def test_a_step_of_worth_begins_at_its_index() -> None:
    learned = calibrate(np.array([0.2, 0.2, 0.6, 0.9]), np.array([0.0, 1.0, 1.0, 1.0]))
    assert learned.proteins == 4
    assert [learned(value) for value in (0.0, 0.2, 0.59, 0.6, 1.0)] == [0.5, 0.5, 0.5, 1.0, 1.0]
    pooled = calibrate(np.array([0.2, 0.6, 0.6]), np.array([1.0, 0.0, 0.5]))
    assert [pooled(value) for value in (0.2, 0.6)] == [0.5, 0.5]
    errors = calibrate(np.array([0.2, 0.6]), np.array([4.0, 1.0]), falling=True)
    assert [errors(value) for value in (0.1, 0.2, 0.7)] == [4.0, 4.0, 1.0]
