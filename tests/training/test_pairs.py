from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.errors import InputError
from sesstore.tasks import Problem
from sesstore.training.intervals import FEWEST_PROTEINS, Predicted
from sesstore.training.pairs import Comparison, adjusted, compare
from sesstore.training.uncertainty import standard_error

ACCURACY = ("accuracy", Problem.SINGLE_LABEL)


def predicted(right: np.ndarray) -> Predicted:
    """Two classes, all of class 0, predicted right where it says so."""
    probability = torch.from_numpy(np.where(right, 0.9, 0.1))
    scores = torch.stack([probability, 1 - probability], 1)
    count = len(right)
    return Predicted(scores, torch.zeros(count, dtype=torch.int64), torch.arange(count))


def hits(seed: int, count: int, rate: float) -> np.ndarray:
    return np.random.default_rng(seed).random(count) < rate


def arms(seeds: int, count: int, first: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of two arms which proteins each seed predicted right."""
    return (
        [hits(first + n, count, 0.85) for n in range(seeds)],
        [hits(first + 50 + n, count, 0.75) for n in range(seeds)],
    )


def test_the_interval_and_p_are_those_of_the_formula_on_all_resamples() -> None:
    """Of accuracy the covariance over proteins is known: that of right and wrong, over N."""
    one, other = arms(4, 300)
    found = compare(
        *ACCURACY, ("a", [predicted(r) for r in one]), ("b", [predicted(r) for r in other])
    )
    values = np.array(one).astype(float) - np.array(other)
    error = standard_error(values.mean(1), np.cov(values) / 300, 300)
    assert found.difference == pytest.approx(values.mean(), abs=1e-6)
    low, high = error.interval(values.mean())
    assert (found.low, found.high) == (
        pytest.approx(low, abs=0.1 * (high - low)),
        pytest.approx(high, abs=0.1 * (high - low)),
    )
    assert found.p < 0.05
    assert found.certain


def test_p_is_below_5_percent_just_where_the_interval_leaves_zero_out() -> None:
    for first in range(0, 1000, 100):
        one, other = (
            [predicted(hits(first + at + n, 120, rate)) for n in range(3)]
            for at, rate in ((0, 0.8), (50, 0.72))
        )
        found = compare(*ACCURACY, ("a", one), ("b", other), draws=200)
        assert (found.p < 0.05) is found.certain


def test_one_seed_gives_no_verdict() -> None:
    one, other = ([predicted(right) for right in arm] for arm in arms(1, 400))
    found = compare(*ACCURACY, ("a", one), ("b", other))
    assert np.isnan([found.low, found.high, found.p]).all()
    assert not found.certain
    assert "no verdict" in found.sentence("accuracy")
    assert "nan" not in found.sentence("accuracy")
    more = compare(*ACCURACY, ("a", one * 2), ("b", other * 2))
    assert "5 or more are recommended" in more.sentence("accuracy")


def test_too_few_proteins_have_no_interval() -> None:
    one, other = ([predicted(right) for right in arm] for arm in arms(3, FEWEST_PROTEINS - 1))
    found = compare(*ACCURACY, ("a", one), ("b", other))
    assert np.isnan([found.low, found.high, found.p]).all()


def test_arms_without_p_do_not_count_among_the_comparisons() -> None:
    unknown = Comparison("a", "b", 0.1, np.nan, np.nan, np.nan, 1, 1)
    tested = Comparison("a", "b", 0.1, 0.0, 0.2, 0.04, 1, 3)
    first, second = adjusted([unknown, tested])
    assert np.isnan(first.q)
    assert second.q == pytest.approx(0.04)
    assert np.isnan(adjusted([unknown])[0].q)


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
    one, other = (
        [predicted(hits(n + at, 80, rate)) for n in (0, 1)] for at, rate in ((7, 0.8), (20, 0.6))
    )
    there = compare(*ACCURACY, ("a", one), ("b", other), draws=100)
    back = compare(*ACCURACY, ("b", other), ("a", one), draws=100)
    assert back.difference == pytest.approx(-there.difference)
    assert (back.low, back.high) == (pytest.approx(-there.high), pytest.approx(-there.low))


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
    """Ten proteins of 30 residues, all right or all wrong: ten things vary, not 300."""
    rows = torch.arange(10).repeat_interleave(30)
    rights = [np.repeat(np.arange(10) < count, 30) for count in (7, 7, 5, 5)]
    runs = [Predicted(p.scores, p.labels, rows) for p in map(predicted, rights)]
    found = compare(
        "accuracy", Problem.RESIDUE_SINGLE_LABEL, ("a", runs[:2]), ("b", runs[2:]), draws=400
    )
    assert found.difference == pytest.approx(0.2)
    assert not found.certain
    alone = [Predicted(r.scores, r.labels, torch.arange(300)) for r in runs]
    apart = compare("accuracy", Problem.RESIDUE_SINGLE_LABEL, ("a", alone[:2]), ("b", alone[2:]))
    assert apart.certain


def test_what_is_not_paired_is_refused() -> None:
    one = predicted(hits(9, 10, 0.5))
    with pytest.raises(InputError, match="2 seeds and 'b' 1"):
        compare(*ACCURACY, ("a", [one, one]), ("b", [one]))
    with pytest.raises(InputError, match="same rows"):
        compare(*ACCURACY, ("a", [one]), ("b", [predicted(hits(9, 11, 0.5))]))


def test_adjusting_is_by_benjamini_and_hochberg() -> None:
    p = [0.01, 0.04, 0.03, 0.5]
    found = adjusted([Comparison("a", "b", 0.1, 0.0, 0.2, one, 1, 5) for one in p])
    assert [one.q for one in found] == pytest.approx([0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.5])
    assert adjusted([]) == []
    assert "+0.1000 (95 % interval +0.0000 to +0.2000; p = 0.01, q = 0.04" in found[0].sentence("f")


def test_seeds_that_are_better_are_counted_and_equal_ones_are_not() -> None:
    labels, rows = torch.arange(8.0), torch.arange(8)

    def runs(*offsets: float) -> list[Predicted]:
        return [Predicted(labels + off, labels, rows) for off in offsets]

    arms = ("a", runs(0.5, 1.0, 2.0)), ("b", runs(1.0, 1.0, 1.0))
    found = compare("mae", Problem.REGRESSION, *arms, draws=20)
    assert (found.better_seeds, found.seeds) == (1, 3)
    assert found.difference == pytest.approx((-0.5 + 0 + 1) / 3)
