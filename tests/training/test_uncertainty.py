from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sesstore.training.uncertainty import (
    SEEDS,
    StandardError,
    advice,
    covariance_of_draws,
    origin,
    standard_error,
)


def crossed(seeds: int, proteins: int, rng: np.random.Generator) -> np.ndarray:
    """Values of seeds by proteins: what proteins add, what seeds add, what both add."""
    parts = rng.normal(0, 3, proteins), rng.normal(0, 0.5, (seeds, 1))
    return parts[0] + parts[1] + rng.normal(0, 2, (seeds, proteins))


def test_the_variance_is_that_of_a_crossed_analysis_of_variance() -> None:
    """Mean squares of proteins and seeds, less that of both, over all values."""
    values = crossed(4, 60, np.random.default_rng(1))
    seeds, proteins = values.shape
    grand = values.mean()
    of_proteins = seeds * ((values.mean(0) - grand) ** 2).sum() / (proteins - 1)
    of_seeds = proteins * ((values.mean(1) - grand) ** 2).sum() / (seeds - 1)
    rest = values - values.mean(0) - values.mean(1)[:, None] + grand
    of_both = (rest**2).sum() / ((proteins - 1) * (seeds - 1))
    expected = (of_proteins + of_seeds - of_both) / (seeds * proteins)
    error = standard_error(values.mean(1), np.cov(values) / proteins, proteins)
    assert error.error**2 == pytest.approx(expected)


def test_the_error_is_how_means_scatter() -> None:
    rng = np.random.default_rng(2)
    studies = [crossed(5, 40, rng) for _ in range(1500)]
    errors = [standard_error(v.mean(1), np.cov(v) / 40, 40).error for v in studies]
    scatter = np.std([values.mean() for values in studies])
    assert np.mean(np.square(errors)) == pytest.approx(scatter**2, rel=0.08)


def test_intervals_and_tests_are_students() -> None:
    error = StandardError(0.02, 4.0)
    low, high = error.interval(0.05)
    assert (low, high) == pytest.approx((0.05 - 2.7764451 * 0.02, 0.05 + 2.7764451 * 0.02))
    assert error.p(0.05) == pytest.approx(2 * stats.t.sf(2.5, 4))
    assert error.p(-0.05) == error.p(0.05)
    assert error.p(high - 0.05) == pytest.approx(0.05)


def test_degrees_of_freedom_are_between_those_of_seeds_and_proteins() -> None:
    covariance = np.full((3, 3), 1e-4)
    assert standard_error(np.full(3, 0.1), covariance, 200).freedom == pytest.approx(199)
    apart = standard_error(np.array([-0.5, 0.0, 0.5]), covariance * 0, 200)
    assert apart.freedom == pytest.approx(2)
    # As much of one as of the other: between / 3 is 1e-4.
    both = standard_error(np.sqrt(3e-4) * np.array([-1, 0, 1]), covariance, 200)
    assert both.freedom == pytest.approx(2 / (1 / 2 + 1 / 199))


def test_seeds_that_agree_by_chance_leave_no_certainty() -> None:
    """Two accuracies on few proteins are often the same; what is wrong is not."""
    covariance = np.array([[4e-3, -1e-3], [-1e-3, 4e-3]])
    error = standard_error(np.array([0.1, 0.1]), covariance, 24)
    assert error.error**2 == pytest.approx(covariance.mean() / 4)
    assert (error.freedom, error.p(0.1) > 0) == (23, True)


def test_one_seed_tells_nothing_of_another() -> None:
    error = standard_error(np.array([0.1]), np.array([[1e-4]]), 500)
    assert np.isnan([error.error, error.p(0.1), *error.interval(0.1)]).all()
    for count in (1, 2, SEEDS - 1):
        assert f"{SEEDS}" in advice(count)
    assert "no verdict" in advice(1)
    assert advice(SEEDS) == ""
    assert "this one seed" in origin(1)
    assert "7 seeds" in origin(7)


def test_what_does_not_vary_is_certain() -> None:
    error = standard_error(np.zeros(3), np.zeros((3, 3)), 50)
    assert (error.interval(0.0), error.p(0.0), error.p(0.1)) == ((0.0, 0.0), 1.0, 0.0)


def test_draws_that_are_not_defined_do_not_count() -> None:
    draws = np.random.default_rng(3).normal(size=(50, 2))
    whole = covariance_of_draws(draws, 11)
    assert whole == pytest.approx(np.cov(draws.T) * 1.1)
    holes = np.vstack([draws, [[np.nan, 1.0], [0.0, np.nan]]])
    assert covariance_of_draws(holes, 11) == pytest.approx(whole)
    assert np.isnan(covariance_of_draws(holes[-3:], 11)).all()


def test_two_of_each_are_the_fewest() -> None:
    values, covariance = np.array([0.1, 0.3]), np.full((2, 2), 1e-3)
    assert standard_error(values, covariance, 2).error > 0
    for few in (
        standard_error(values, covariance, 1),
        standard_error(values[:1], covariance[:1, :1], 9),
        standard_error(np.array([0.1, np.nan]), covariance, 9),
        standard_error(values, covariance * np.nan, 9),
    ):
        assert np.isnan([few.error, few.freedom]).all()
    draws = np.array([[1.0, 2.0], [3.0, 1.0]])
    assert covariance_of_draws(draws, 1) == pytest.approx(np.cov(draws.T))
    assert np.isnan(covariance_of_draws(draws[:1], 5)).all()
    assert covariance_of_draws(draws[:, :1], 2) == pytest.approx(np.array([[4.0]]))


def test_intervals_are_wider_the_surer_they_are() -> None:
    low, high = StandardError(0.5, 4.0).interval(1.0, level=0.9)
    assert (low, high) == pytest.approx((1 - 0.5 * 2.1318468, 1 + 0.5 * 2.1318468))


def test_what_an_interval_is_over() -> None:
    assert origin(1) == "bootstrap over proteins; of this one seed, not of others"
    assert origin(1, folds=True).startswith("bootstrap over folds and proteins;")
    assert origin(5) == "over proteins and 5 seeds"
    assert origin(5, folds=True) == "over folds, proteins and 5 seeds"
    assert advice(SEEDS - 1).startswith(f"{SEEDS - 1} seeds leave it wide: {SEEDS} or more")
