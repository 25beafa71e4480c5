from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sesstore.errors import InputError
from sesstore.tasks import Problem
from sesstore.training.intervals import Predicted
from sesstore.training.metrics import compute
from sesstore.training.pairs import Comparison, adjusted, compare, scorer

ACCURACY = ("accuracy", Problem.SINGLE_LABEL)


def predicted(right: np.ndarray) -> Predicted:
    """Two classes, all of class 0, predicted right where it says so."""
    probability = torch.from_numpy(np.where(right, 0.9, 0.1))
    scores = torch.stack([probability, 1 - probability], 1)
    count = len(right)
    return Predicted(scores, torch.zeros(count, dtype=torch.int64), torch.arange(count))


def hits(seed: int, count: int, rate: float) -> np.ndarray:
    return np.random.default_rng(seed).random(count) < rate


def test_p_is_that_of_an_exact_sign_test() -> None:
    """With one seed and accuracy, exchanging is flipping the sign of each protein's difference."""
    one, other = hits(1, 10, 0.9), hits(2, 10, 0.4)
    found = compare(*ACCURACY, ("a", [predicted(one)]), ("b", [predicted(other)]), draws=1100)
    difference = one.astype(float) - other
    flips = np.array(np.meshgrid(*[[1, -1]] * 10)).reshape(10, -1)
    means = (flips * difference[:, None]).mean(0)
    upper, lower = (
        (means >= difference.mean() - 1e-12).mean(),
        (means <= difference.mean() + 1e-12).mean(),
    )
    assert found.p == pytest.approx(min(1.0, 2 * min(upper, lower)))
    assert found.difference == pytest.approx(difference.mean())


def test_p_agrees_with_scipy_where_it_is_drawn() -> None:
    one, other = hits(3, 200, 0.85), hits(4, 200, 0.75)
    found = compare(*ACCURACY, ("a", [predicted(one)]), ("b", [predicted(other)]), draws=1000)
    reference = stats.permutation_test(
        (one.astype(float), other.astype(float)),
        lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
        permutation_type="samples",
        n_resamples=20000,
        rng=np.random.default_rng(0),
    )
    assert found.p == pytest.approx(reference.pvalue, abs=0.02)


def test_the_interval_of_one_seed_is_scipys_percentile_interval() -> None:
    one, other = hits(5, 150, 0.9), hits(6, 150, 0.7)
    found = compare(*ACCURACY, ("a", [predicted(one)]), ("b", [predicted(other)]), draws=1000)
    reference = stats.bootstrap(
        (one.astype(float), other.astype(float)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=20000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert found.low == pytest.approx(reference.low, abs=0.012)
    assert found.high == pytest.approx(reference.high, abs=0.012)
    assert found.certain


def test_seeds_that_differ_widen_the_interval() -> None:
    other = [predicted(hits(seed, 300, 0.7)) for seed in range(4)]
    steady = [predicted(hits(seed, 300, 0.75)) for seed in range(4)]
    rates = (0.55, 0.95, 0.6, 0.9)
    shaky = [predicted(hits(seed, 300, rate)) for seed, rate in enumerate(rates)]
    narrow = compare(*ACCURACY, ("a", steady), ("b", other), draws=300)
    wide = compare(*ACCURACY, ("a", shaky), ("b", other), draws=300)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert (wide.better_seeds, wide.seeds) == (2, 4)


@settings(max_examples=settings.default.max_examples // 20)
@given(st.integers(0, 1000))
def test_arms_that_are_alike_are_not_told_apart(seed: int) -> None:
    arm = [predicted(hits(seed + i, 30, 0.7)) for i in range(2)]
    same = compare(*ACCURACY, ("a", arm), ("b", arm), draws=20)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert not same.certain
    assert same.better_seeds == 0


def test_one_against_other_is_the_reverse_of_other_against_one() -> None:
    one, other = [predicted(hits(7, 80, 0.8))], [predicted(hits(8, 80, 0.6))]
    there = compare(*ACCURACY, ("a", one), ("b", other), draws=100)
    back = compare(*ACCURACY, ("b", other), ("a", one), draws=100)
    assert back.difference == pytest.approx(-there.difference)
    assert (back.low, back.high) == (pytest.approx(-there.high), pytest.approx(-there.low))


def test_a_pair_of_seeds_counts_as_often_as_it_is_drawn() -> None:
    one, other = ([hits(n + at, 50, rate) for n in range(4)] for at, rate in ((10, 0.9), (20, 0.6)))
    arms = [[predicted(right) for right in arm] for arm in (one, other)]
    found = compare(*ACCURACY, ("a", arms[0]), ("b", arms[1]), draws=200, seed=3)
    rng, means = np.random.default_rng(3), []
    differences = np.array(one).astype(float) - np.array(other)
    for _ in range(200):
        drawn, seeds = rng.integers(0, 50, 50), rng.integers(0, 4, 4)
        means.append(differences[seeds][:, drawn].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_what_touches_zero_is_certain_only_if_it_leaves_it_out() -> None:
    for low, high, certain in ((0.0, 0.2, False), (-0.2, 0.0, False), (0.01, 0.2, True)):
        assert Comparison("a", "b", 0.1, low, high, 0.5, 1, 1).certain is certain


def test_less_of_an_error_is_better() -> None:
    labels, rows = torch.arange(8.0), torch.arange(8)
    good, bad = (Predicted(labels + off, labels, rows) for off in (0.1, 2.0))
    found = compare("rmse", Problem.REGRESSION, ("good", [good]), ("bad", [bad]), draws=100)
    assert found.difference == pytest.approx(-1.9)
    assert found.better_seeds == 1


def test_residues_of_a_protein_stay_together() -> None:
    """Ten proteins of 30 residues, all right or all wrong: there are ten things to exchange."""
    rows = torch.arange(10).repeat_interleave(30)
    right = np.repeat(np.arange(10) < 6, 30)
    other = np.repeat(np.arange(10) < 5, 30)
    pair = [Predicted(p.scores, p.labels, rows) for p in (predicted(right), predicted(other))]
    found = compare(
        "accuracy", Problem.RESIDUE_SINGLE_LABEL, ("a", pair[:1]), ("b", pair[1:]), draws=1100
    )
    assert found.p == 1.0  # one protein of ten differs; as 30 residues it would be 1e-9
    assert not found.certain


def test_what_is_not_paired_is_refused() -> None:
    one = predicted(hits(9, 10, 0.5))
    with pytest.raises(InputError, match="2 seeds and 'b' 1"):
        compare(*ACCURACY, ("a", [one, one]), ("b", [one]))
    with pytest.raises(InputError, match="same rows"):
        compare(*ACCURACY, ("a", [one]), ("b", [predicted(hits(9, 11, 0.5))]))


def test_adjusting_is_by_benjamini_and_hochberg() -> None:
    p = [0.01, 0.04, 0.03, 0.5]
    found = adjusted([Comparison("a", "b", 0.1, 0.0, 0.2, one, 1, 1) for one in p])
    assert [one.q for one in found] == pytest.approx([0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.5])
    assert adjusted([]) == []
    assert "+0.1000 (95 % interval +0.0000 to +0.2000; p = 0.01, q = 0.04" in found[0].sentence("f")


@given(st.integers(0, 1000))
def test_the_short_way_to_accuracy_is_accuracy(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(20, 4, generator=generator)
    labels = torch.randint(0, 4, (20,), generator=generator)
    expected = compute(["accuracy"], Problem.SINGLE_LABEL, scores, labels)["accuracy"]
    assert scorer(*ACCURACY)(scores, labels) == pytest.approx(expected)
