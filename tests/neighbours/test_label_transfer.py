from __future__ import annotations

import numpy as np
import pytest

from sesstore.neighbours.label_transfer import calibrate, reliability_indices, transfer
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
