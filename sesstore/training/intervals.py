"""How sure a score is: intervals over the proteins of a split and the seeds of a training.

Proteins are drawn with replacement (all residues of one together) and the metric is computed anew,
on the same draws for all seeds. Of several seeds the interval is of their mean and covers which
proteins were tested and which seeds were trained, see `uncertainty`. Of one seed it lies between
percentiles (Efron & Tibshirani 1993, chapter 13) and is of that very run: how another seed would
do, one cannot tell.

Of a cross-validation first folds are drawn with replacement, then proteins within each of them: an
interval then holds what another training set would have done, too. It is on the wide side, as no
unbiased estimate exists (Bengio & Grandvalet 2004, J. Mach. Learn. Res. 5:1089).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import UnknownNameError
from ..tasks import Problem
from .metrics import HIGHER_IS_WORSE, METRICS, compute
from .uncertainty import covariance_of_draws, standard_error
from .weighted_metrics import DEFINITIONS, THRESHOLDS, Rows

DRAWS = 1000
FEWEST_PROTEINS = 5
"""Proteins of which there is an interval: resamples of fewer are of a handful of values."""
MARGIN = 0.5
"""Standard errors. With 1, gains on 50 to 200 proteins were given away that test rows confirmed
(accuracy 0.829 for 0.854); with 0 scores were the same, but any best of thirty checks would do."""
LARGE_SET = 2_000_000
"""Scores that are resampled less often."""
AT_ONCE = 4_000_000
"""Numbers in an array of resamples; more are computed in turns."""
LIMITS = {
    "mcc": (-1.0, 1.0),
    "spearman": (-1.0, 1.0),
    "pearson": (-1.0, 1.0),
    "r2": (-np.inf, 1.0),
    "rmse": (0.0, np.inf),
    "mae": (0.0, np.inf),
}
"""Least and greatest value of a metric, where these are not 0 and 1."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """What one run predicted for the rows of a split.

    Parameters
    ----------
    scores, labels : Tensor
        As `metrics.compute` takes them.
    rows : Tensor, shape=(N,), dtype=int64
        Row of the split (the protein) that each score is of.
    folds : Tensor, shape=(N,), dtype=int64, optional
        Of a cross-validation: which fold's training predicted it.
    """

    scores: Tensor
    labels: Tensor
    rows: Tensor
    folds: Tensor | None = None


def intervals(
    metrics: Iterable[str],
    problem: Problem,
    runs: Sequence[Predicted],
    *,
    draws: int | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Confidence interval of each metric's mean over runs.

    Parameters
    ----------
    metrics : iterable of str
        Names, see `metrics.METRICS`.
    problem : Problem
        What was predicted.
    runs : sequence of Predicted
        Of the same rows, one a seed.
    draws : int, optional
        Number of resamples, the same for all metrics; `DRAWS`, and a fifth of that for millions of
        scores, which take long and whose interval needs no third digit.
    level : float
        Share of studies whose interval holds what is sought.
    seed : int
        Of the draws.

    Returns
    -------
    dict of str to (low, high)
        NaN if the metric is not defined on any draw, or there are fewer than `FEWEST_PROTEINS`
        proteins.

    Raises
    ------
    UnknownNameError
        The problem has no metric of that name.
    """
    names = list(metrics)
    draws_by_run = resample_runs(names, problem, runs, draws=draws, seed=seed)
    by_run = [compute(names, problem, run.scores, run.labels) for run in runs]
    proteins, bounds = protein_count(runs[0]), {}
    for name in names:
        values = np.array([scores[name] for scores in by_run])
        low, high = interval_of_mean(values, draws_by_run[name], proteins, level)
        lowest, highest = LIMITS.get(name, (0.0, 1.0))
        # Written so that NaN stays.
        bounds[name] = (lowest if low < lowest else low, highest if high > highest else high)
    return bounds


def interval_of_mean(
    by_run: NDArray[np.float64],
    draws: NDArray[np.float64],
    proteins: int,
    level: float = 0.95,
) -> tuple[float, float]:
    """Confidence interval of a mean over runs, or of the mean of a difference.

    Parameters
    ----------
    by_run : ndarray, shape=(S,), dtype=float64
        Value of each run, one a seed.
    draws : ndarray, shape=(D, S), dtype=float64
        The same on each resample of the proteins, see `resample_runs`.
    proteins : int
        How many were tested.
    level : float
        Share of studies whose interval holds what is sought.

    Returns
    -------
    (low, high)
        Over proteins and seeds; over proteins alone if there is one run. NaN if not defined.
    """
    if len(by_run) == 1:
        defined = draws[~np.isnan(draws)]
        if not len(defined):
            return float("nan"), float("nan")
        low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)
    error = standard_error(by_run, covariance_of_draws(draws, proteins), proteins)
    return error.interval(float(np.mean(by_run)), level)


def bootstrap(
    metric: str,
    problem: Problem,
    runs: Sequence[Predicted],
    *,
    draws: int | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Confidence interval of one metric's mean over runs; see `intervals`."""
    return intervals([metric], problem, runs, draws=draws, level=level, seed=seed)[metric]


def clearly_better(metric: str, problem: Problem, new: Predicted, old: Predicted) -> bool:
    """Whether what is new is better by more than `MARGIN` standard errors of the difference.

    As in the one-standard-error rule (Breiman et al. 1984, section 3.4.3), of two models that so
    few rows cannot tell apart the simpler is taken. The error is by bootstrap, on the same draws
    for both.

    Parameters
    ----------
    metric, problem
        As of `bootstrap`.
    new, old : Predicted
        Of the same rows; `old` is the simpler model's.
    """
    scores = [
        compute([metric], problem, predicted.scores, predicted.labels)[metric]
        for predicted in (new, old)
    ]
    if any(score != score for score in scores):
        return scores[1] != scores[1]
    gain = scores[0] - scores[1]
    gaps = resample_difference(metric, problem, [new], [old])
    defined = gaps[~np.isnan(gaps)]
    error = float(defined.std()) if len(defined) else np.inf
    return (-gain if metric in HIGHER_IS_WORSE else gain) > MARGIN * error


def resample(
    metrics: Iterable[str],
    problem: Problem,
    runs: Sequence[Predicted],
    *,
    draws: int | None = None,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Mean over runs of each metric on each resample, shape=(draws,); see `resample_runs`."""
    by_run = resample_runs(metrics, problem, runs, draws=draws, seed=seed)
    return {name: values.mean(1) for name, values in by_run.items()}


def resample_runs(
    metrics: Iterable[str],
    problem: Problem,
    runs: Sequence[Predicted],
    *,
    draws: int | None = None,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Each metric of each run on each resample, shape=(draws, runs); arguments as of `intervals`.

    Runs on the same rows are resampled alike under the same seed, so that differences are paired.
    All is NaN where there are fewer than `FEWEST_PROTEINS` proteins.
    """
    names = list(metrics)
    for name in names:
        if name not in METRICS[problem]:
            raise UnknownNameError(f"metric for {problem} tasks", name, METRICS[problem])
    data, folds = [_rows(run) for run in runs], _folds_of(runs[0])
    if data[0].count < FEWEST_PROTEINS:
        return {name: np.full((draws or DRAWS, len(data)), np.nan) for name in names}
    ready = {name: [DEFINITIONS[problem][name](rows) for rows in data] for name in names}
    values: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    if draws is None:
        draws = DRAWS if data[0].scores.size < LARGE_SET else DRAWS // 5
    rng, step = np.random.default_rng(seed), max(1, AT_ONCE // max(len(data[0].rows), 1))
    for start in range(0, draws, step):
        counts = [
            np.bincount(_draw_proteins(rng, data[0].count, folds), minlength=data[0].count)
            for _ in range(min(step, draws - start))
        ]
        weights = np.stack(counts).astype(np.float64)
        for name in names:
            values[name].append(np.stack([metric(weights) for metric in ready[name]], axis=1))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def resample_difference(
    metric: str,
    problem: Problem,
    runs: Sequence[Predicted],
    baselines: Sequence[Predicted],
    *,
    draws: int | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Difference of a metric between runs and others on the same rows, on each resample.

    Parameters
    ----------
    metric, problem, draws, seed
        As of `resample_runs`.
    runs, baselines : sequence of Predicted
        As many others as runs, each run's own; or one, to which all are compared.

    Returns
    -------
    ndarray, shape=(draws, runs), dtype=float64
    """
    values, baseline_values = (
        resample_runs([metric], problem, predicted, draws=draws, seed=seed)[metric]
        for predicted in (runs, baselines)
    )
    return values - baseline_values


def protein_count(run: Predicted) -> int:
    """Number of proteins that a run's scores are of."""
    return len(np.unique(run.rows.numpy()))


def _draw_proteins(
    rng: np.random.Generator, count: int, folds: Sequence[NDArray[np.int64]] = ()
) -> NDArray[np.int64]:
    """Draw proteins with replacement: of all, or of folds that were drawn before.

    Parameters
    ----------
    rng : Generator
    count : int
        Number of proteins.
    folds : sequence of ndarray
        Proteins of each fold, see `_folds_of`.
    """
    if not folds:
        return rng.integers(0, count, count)
    draw = [folds[place] for place in rng.integers(0, len(folds), len(folds))]
    return np.concatenate([fold[rng.integers(0, len(fold), len(fold))] for fold in draw])


def _folds_of(run: Predicted) -> list[NDArray[np.int64]]:
    """Proteins of each fold, numbered in the order of their rows; none without folds."""
    if run.folds is None:
        return []
    _, first = np.unique(run.rows.numpy(), return_index=True)
    fold = run.folds.numpy()[first]
    return [np.flatnonzero(fold == name) for name in np.unique(fold)]


def _rows(run: Predicted) -> Rows:
    _, rows = np.unique(run.rows.numpy(), return_inverse=True)
    return Rows(run.scores.double().numpy(), run.labels.double().numpy(), rows, THRESHOLDS)
