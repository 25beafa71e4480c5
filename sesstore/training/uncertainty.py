"""How sure is a mean over seeds, or the difference of two: both proteins and seeds vary.

What a metric is for seed *s* on N proteins is taken as a sum of four parts: the value sought, what
these proteins add for every seed, what this seed adds for every protein, and what the two add
together. The variance of a mean over S seeds is then

    shared + between / S

`shared` is what proteins add for every seed: the mean covariance of two seeds' values when proteins
are drawn anew (Efron & Tibshirani 1993, chapter 6). `between` is the variance of the seeds' values
about their mean. It holds the fourth part already, so the variance of the mean over proteins, which
holds it too, would count it twice.

The interval and the test are Student's, with the degrees of freedom of both parts (S - 1 and
N - 1), each by its share of the variance, averaged harmonically. Welch (1947) and Satterthwaite
(1946) square the shares; as few seeds also leave the shares unknown, theirs covers 92 % with three
seeds. ``python -m benchmarks.statistics`` measures what this covers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit  # Student's t: distribution and quantile

Values = NDArray[np.float64]

SEEDS = 5
"""Seeds recommended: with fewer, intervals are wide, since the scatter of seeds is hardly known."""
LEAST_SHARE = 0.25
"""Of the variance over proteins alone: no variance is taken for less, however seeds agree."""


@dataclass(frozen=True)
class StandardError:
    """Of a mean over seeds.

    Parameters
    ----------
    error : float
        Standard error; NaN where it cannot be known: of one seed, or a metric not defined.
    freedom : float
        Degrees of freedom.
    """

    error: float
    freedom: float

    def interval(self, mean: float, level: float = 0.95) -> tuple[float, float]:
        """Return the bounds that hold what is sought in that share of studies."""
        if not self.error > 0:  # none, or NaN
            return mean + self.error, mean + self.error
        half = self.error * float(stdtrit(self.freedom, (1 + level) / 2))
        return mean - half, mean + half

    def p(self, difference: float) -> float:
        """Return how often, were there no difference, one as large would be seen; two-sided."""
        if self.error == 0:
            return 1.0 if difference == 0 else 0.0
        return float(2 * stdtr(self.freedom, -abs(difference) / self.error))


UNKNOWN = StandardError(float("nan"), float("nan"))


def standard_error(by_seed: Values, covariance: Values, proteins: int) -> StandardError:
    """Standard error of the mean over seeds.

    Parameters
    ----------
    by_seed : ndarray, shape=(S,), dtype=float64
        Metric, or difference of two arms' metrics, of each seed.
    covariance : ndarray, shape=(S, S), dtype=float64
        Of the seeds' values over which proteins are tested.
    proteins : int
        How many were, N.

    Returns
    -------
    StandardError
        NaN of one seed: how seeds scatter cannot be known from it.
    """
    seeds = len(by_seed)
    if seeds < 2 or proteins < 2 or np.isnan(by_seed).any() or np.isnan(covariance).any():
        return UNKNOWN
    off_diagonal = covariance.sum() - np.trace(covariance)
    shared = max(float(off_diagonal) / (seeds * (seeds - 1)), 0.0)
    between = float(np.var(by_seed, ddof=1)) / seeds
    # Few seeds may agree by chance, as the accuracies of two on a small test set often do.
    variance = max(shared + between, float(covariance.mean()) * LEAST_SHARE)
    if variance == 0:
        return StandardError(0.0, float("inf"))
    total = shared / (proteins - 1) + between / (seeds - 1)
    return StandardError(variance**0.5, variance / total if total else proteins - 1.0)


def covariance_of_draws(draws: Values, proteins: int) -> Values:
    """Covariance of the seeds' values over which proteins are tested, from a bootstrap.

    Parameters
    ----------
    draws : ndarray, shape=(D, S), dtype=float64
        Value of each seed on each resample of the proteins, all seeds on the same ones; resamples
        on which one is not defined (NaN) do not count.
    proteins : int
        How many are drawn each time, N; a bootstrap's variance is short by (N - 1) / N.

    Returns
    -------
    ndarray, shape=(S, S), dtype=float64
        NaN if fewer than two resamples are defined.
    """
    defined = draws[~np.isnan(draws).any(1)]
    if len(defined) < 2:
        return np.full((draws.shape[1],) * 2, np.nan)
    correction = proteins / max(proteins - 1, 1)
    return np.atleast_2d(np.cov(defined, rowvar=False)) * correction


def origin(seeds: int, *, folds: bool = False) -> str:
    """What an interval of a mean over so many seeds is over, in words; `folds`: of all folds."""
    units = "folds, proteins" if folds else "proteins"
    if seeds == 1:
        units = "folds and proteins" if folds else units
        return f"bootstrap over {units}; of this one seed, not of others"
    return f"over {units} and {seeds} seeds"


def advice(seeds: int) -> str:
    """What so few seeds leave open, in words; nothing if they are enough."""
    if seeds == 1:
        return (
            f"with one seed, how seeds scatter cannot be known: no interval and no verdict. Train "
            f"with --seeds {SEEDS} or more"
        )
    if seeds < SEEDS:
        return f"{seeds} seeds leave it wide: {SEEDS} or more are recommended"
    return ""
