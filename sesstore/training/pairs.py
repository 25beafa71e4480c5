"""Is one arm better than another? A paired interval and a paired test, over proteins and seeds.

Both arms predicted the same proteins, and seed i of one is paired with seed i of the other. What is
tested is the mean over seeds of the difference of the metric. Proteins are drawn with replacement,
the same for both arms and all seeds (Efron & Tibshirani 1993, chapter 6), which says how the
differences of the seeds vary, together and apart, with the proteins tested; how they vary with the
seed they show themselves. `uncertainty` has the formula. With one seed there is neither interval
nor p: that one training is better than another says little of the next two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..tasks import Problem
from .intervals import Predicted, protein_count, resample_difference
from .metrics import HIGHER_IS_WORSE, compute
from .seeds import between
from .uncertainty import advice, covariance_of_draws, standard_error


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
        95 % interval of the difference, over proteins and seeds; NaN with one seed, or with fewer
        proteins than `intervals.FEWEST_PROTEINS`.
    p : float
        Of the two-sided test that the arms are alike; NaN where the interval is.
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
        """What the comparison comes to, in words."""
        parts = [
            f"95 % interval {between((self.low, self.high), signed=True)}",
            f"p = {self.p:.3g}, q = {self.q:.3g}",
            f"better with {self.better_seeds} of {self.seeds} seeds",
        ]
        if self.seeds == 1:
            parts = []
        note = advice(self.seeds)
        return (
            f"{self.one} against {self.other}: {metric} {self.difference:+.4f} "
            f"({'; '.join([*parts, *([note] if note else [])])})"
        )


def compare(
    metric: str,
    problem: Problem,
    first: tuple[str, Sequence[Predicted]],
    second: tuple[str, Sequence[Predicted]],
    *,
    draws: int | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare two arms on the rows of a split.

    Parameters
    ----------
    metric : str
        Name, see `metrics.METRICS`.
    problem : Problem
        What was predicted.
    first, second : (str, sequence of Predicted)
        Name of the arm, and predictions of its seeds, in the same order of seeds.
    draws : int, optional
        Resamples of the proteins; by default as many as `intervals.intervals` takes.
    seed : int
        Of the draws.

    Raises
    ------
    InputError
        The arms have not the same seeds or rows.
    """
    _check_paired(first, second)
    scores = [
        np.array([compute([metric], problem, run.scores, run.labels)[metric] for run in runs])
        for _, runs in (first, second)
    ]
    by_seed = scores[0] - scores[1]
    proteins = protein_count(first[1][0])
    gaps = resample_difference(metric, problem, first[1], second[1], draws=draws, seed=seed)
    covariance = covariance_of_draws(gaps, proteins)
    error = standard_error(by_seed, covariance, proteins)
    difference = float(by_seed.mean())
    low, high = error.interval(difference)
    better = by_seed < 0 if metric in HIGHER_IS_WORSE else by_seed > 0
    return Comparison(
        one=first[0],
        other=second[0],
        difference=difference,
        low=low,
        high=high,
        p=error.p(difference),
        better_seeds=int(better.sum()),
        seeds=len(by_seed),
    )


def adjusted(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Fill in `q`: the false discovery rate (Benjamini & Hochberg 1995) over all that have a p."""
    tested = [place for place, comparison in enumerate(comparisons) if comparison.p == comparison.p]
    if not tested:
        return list(comparisons)
    from scipy.stats import false_discovery_control  # on use: half a second to import

    rates = false_discovery_control([comparisons[place].p for place in tested])
    by_place = dict(zip(tested, rates, strict=True))
    return [
        replace(comparison, q=float(by_place.get(place, np.nan)))
        for place, comparison in enumerate(comparisons)
    ]


def _check_paired(
    first: tuple[str, Sequence[Predicted]], second: tuple[str, Sequence[Predicted]]
) -> None:
    if not first[1] or len(first[1]) != len(second[1]):
        raise InputError(
            f"'{first[0]}' has {len(first[1])} seeds and '{second[0]}' {len(second[1])}: a paired "
            f"test needs the same seeds of both. Train them with the same --seeds"
        )
    for a, b in zip(first[1], second[1], strict=True):
        if not (torch.equal(a.rows, b.rows) and torch.equal(a.labels, b.labels)):
            raise InputError(f"'{first[0]}' and '{second[0]}' did not predict the same rows")
