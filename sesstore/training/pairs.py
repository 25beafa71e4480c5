"""Is one arm better than another? A paired interval and a paired test.

Both arms predicted the same proteins, and seed i of one is paired with seed i of the other. The
statistic is the difference of the metric's means over seeds.

The *interval* is by bootstrap (Efron & Tibshirani 1993, chapter 13): proteins are drawn with
replacement, and so are pairs of seeds, so it covers both which proteins were tested and which
seeds were drawn. The *test* is by permutation (Good 2005, chapter 3): if the arms are alike, it
does not matter which of the two made a protein's predictions, so they are exchanged at random for
each protein, all seeds at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, permutation_test
from torch import Tensor

from ..errors import InputError
from ..tasks import Problem
from .intervals import DRAWS, LEAST, Predicted
from .metrics import HIGHER_IS_WORSE, compute
from .seeds import between

LARGE = 100_000
"""Scores of a run from which a fifth of the draws are made: scoring them takes long."""

Metric = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class Comparison:
    """One arm against another.

    Parameters
    ----------
    one, other : str
        Names of the arms.
    difference : float
        Mean of the metric of `one` minus that of `other`.
    low, high : float
        95 % interval of the difference.
    p : float
        Of the two-sided permutation test.
    better_seeds, seeds : int
        Pairs of seeds of which `one`'s is better, and how many pairs there are.
    q : float
        `p` adjusted for all comparisons of the study, see `adjusted`.
    """

    one: str
    other: str
    difference: float
    low: float
    high: float
    p: float
    better_seeds: int
    seeds: int
    q: float = float("nan")

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @property
    def certain(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    def sentence(self, metric: str) -> str:
        """What was found, in words."""
        return (
            f"{self.one} against {self.other}: {metric} {self.difference:+.4f} "
            f"(95 % interval {between((self.low, self.high), signed=True)}; p = {self.p:.3g}, "
            f"q = {self.q:.3g}; better with {self.better_seeds} of {self.seeds} seeds)"
        )


def compare(
    metric: str,
    problem: Problem,
    one: tuple[str, Sequence[Predicted]],
    other: tuple[str, Sequence[Predicted]],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Compare two arms on the rows of a split.

    Parameters
    ----------
    metric : str
        Name, see `metrics.METRICS`.
    problem : Problem
        What was predicted.
    one, other : (str, sequence of Predicted)
        Name of the arm, and predictions of its seeds, in the same order of seeds.
    draws : int
        Resamples of the interval and of the test.
    seed : int
        Of the draws.

    Raises
    ------
    InputError
        The arms have not the same seeds or rows.
    """
    pairs = list(zip(one[1], other[1], strict=False))
    _check_paired(one, other)
    draws = draws if pairs[0][0].scores.numel() < LARGE else draws // 5

    score = scorer(metric, problem)
    by_seed = np.array([score(a.scores, a.labels) - score(b.scores, b.labels) for a, b in pairs])
    low, high = _interval(score, pairs, draws, seed)
    better = by_seed < 0 if metric in HIGHER_IS_WORSE else by_seed > 0
    return Comparison(
        one=one[0],
        other=other[0],
        difference=float(by_seed.mean()),
        low=low,
        high=high,
        p=_permuted(score, pairs, draws, seed),
        better_seeds=int(better.sum()),
        seeds=len(pairs),
    )


def scorer(metric: str, problem: Problem) -> Metric:
    """Return what scores resamples: `metrics.compute`, or a plain mean where that is the metric.

    torchmetrics checks its input each time, which for accuracy takes far longer than the mean.
    """
    if metric == "accuracy":
        return lambda scores, labels: float((scores.argmax(-1) == labels).double().mean())
    return lambda scores, labels: compute([metric], problem, scores, labels)[metric]


def adjusted(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Fill in `q`: the false discovery rate (Benjamini & Hochberg 1995) over all comparisons."""
    if not comparisons:
        return []
    rates = false_discovery_control([c.p for c in comparisons])
    return [
        Comparison(**{**c.to_json(), "q": float(q)})
        for c, q in zip(comparisons, rates, strict=True)
    ]


Pair = tuple[Predicted, Predicted]


def _interval(score: Metric, pairs: Sequence[Pair], draws: int, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    members = _members(pairs[0][0].rows)
    if len(members) < LEAST:
        return float("nan"), float("nan")
    found = []
    for _ in range(draws):
        drawn = rng.integers(0, len(members), len(members))
        index = torch.from_numpy(np.concatenate([members[i] for i in drawn]))
        # Each pair counts as often as it was drawn; those not drawn need no scoring.
        seeds, times = np.unique(rng.integers(0, len(pairs), len(pairs)), return_counts=True)
        differences = [
            score(pairs[i][0].scores[index], pairs[i][0].labels[index])
            - score(pairs[i][1].scores[index], pairs[i][1].labels[index])
            for i in seeds
        ]
        found.append(float(np.average(differences, weights=times)))
    defined = np.array(found)[~np.isnan(found)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)


def _permuted(score: Metric, pairs: Sequence[Pair], draws: int, seed: int) -> float:
    """P value; which arm's predictions a protein has on each side is what is permuted."""
    _, protein = torch.unique(pairs[0][0].rows, return_inverse=True)
    count = int(protein.max()) + 1

    def difference(left: NDArray[np.int64], right: NDArray[np.int64]) -> float:
        exchanged = torch.from_numpy(np.asarray(left, bool))[protein]
        found = []
        for a, b in pairs:
            where = exchanged.reshape(-1, *[1] * (a.scores.ndim - 1))
            one = torch.where(where, b.scores, a.scores)
            other = torch.where(where, a.scores, b.scores)
            found.append(score(one, a.labels) - score(other, a.labels))
        return float(np.mean(found))

    if all(torch.equal(a.scores, b.scores) for a, b in pairs):
        return 1.0
    sides = (np.zeros(count, np.int64), np.ones(count, np.int64))
    result = permutation_test(
        sides,
        difference,
        permutation_type="samples",
        vectorized=False,
        n_resamples=draws - 1,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def _members(rows: Tensor) -> list[NDArray[np.int64]]:
    """Places of each protein's scores."""
    found = rows.numpy()
    order = np.argsort(found, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(found[order])) + 1)


def _check_paired(
    one: tuple[str, Sequence[Predicted]], other: tuple[str, Sequence[Predicted]]
) -> None:
    if not one[1] or len(one[1]) != len(other[1]):
        raise InputError(
            f"'{one[0]}' has {len(one[1])} seeds and '{other[0]}' {len(other[1])}: a paired test "
            f"needs the same seeds of both. Train them with the same --seeds"
        )
    for a, b in zip(one[1], other[1], strict=True):
        if not (torch.equal(a.rows, b.rows) and torch.equal(a.labels, b.labels)):
            raise InputError(f"'{one[0]}' and '{other[0]}' did not predict the same rows")
