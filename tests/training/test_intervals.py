from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import norm

from sesstore.errors import UnknownNameError
from sesstore.tasks import Problem
from sesstore.training.intervals import (
    Predicted,
    _folds_of,
    bootstrap,
    clearly_better,
    intervals,
    resample,
)
from sesstore.training.metrics import METRICS, compute
from sesstore.training.uncertainty import standard_error


def predicted(hits: np.ndarray) -> Predicted:
    """Two classes, right where `hits` says."""
    labels = torch.zeros(len(hits), dtype=torch.int64)
    right = torch.from_numpy(hits.astype(np.float32))
    return Predicted(torch.stack([right, 1 - right], 1), labels, torch.arange(len(hits)))


def test_agrees_with_scipy() -> None:
    hits = np.random.default_rng(1).random(200) < 0.8
    low, high = bootstrap("accuracy", Problem.SINGLE_LABEL, [predicted(hits)])
    theirs = scipy_bootstrap(
        (hits.astype(float),), np.mean, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert low == pytest.approx(theirs.low, abs=0.015)
    assert high == pytest.approx(theirs.high, abs=0.015)
    assert low < hits.mean() < high


@pytest.mark.parametrize("level", [None, 0.5, 0.9])
def test_the_interval_holds_its_share_of_the_resamples(level) -> None:
    hits = np.random.default_rng(1).random(4000) < 0.5
    args = ("accuracy", Problem.SINGLE_LABEL, [predicted(hits)])
    chosen = {} if level is None else {"level": level}
    low, high = bootstrap(*args, draws=1500, **chosen)
    share, wide = level or 0.95, norm.ppf(0.5 + (level or 0.95) / 2)
    assert high - low == pytest.approx(2 * wide * 0.5 / np.sqrt(4000), rel=0.07)
    means = resample(["accuracy"], *args[1:], draws=1500)["accuracy"]
    assert (means < low).mean() == pytest.approx((1 - share) / 2, abs=0.015)
    assert (means > high).mean() == pytest.approx((1 - share) / 2, abs=0.015)
    default = bootstrap(*args, **chosen)
    assert default == bootstrap(*args, draws=1000, **chosen)


def test_residues_of_a_protein_stay_together() -> None:
    # Ten proteins, each wholly right or wholly wrong: a hundred residues each make it no surer.
    hits = np.repeat(np.arange(10) < 7, 100)
    alone = predicted(hits)
    together = Predicted(alone.scores, alone.labels, torch.arange(1000) // 100)
    draws = {"draws": 300}
    narrow = bootstrap("accuracy", Problem.RESIDUE_SINGLE_LABEL, [alone], **draws)
    wide = bootstrap("accuracy", Problem.RESIDUE_SINGLE_LABEL, [together], **draws)
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_the_mean_of_seeds_counts() -> None:
    rng = np.random.default_rng(3)
    runs = [predicted(rng.random(300) < 0.6) for _ in range(4)]
    one = bootstrap("accuracy", Problem.SINGLE_LABEL, runs[:1], draws=300)
    four = bootstrap("accuracy", Problem.SINGLE_LABEL, runs, draws=300)
    assert four[1] - four[0] < one[1] - one[0]
    assert four == bootstrap("accuracy", Problem.SINGLE_LABEL, runs, draws=300)


def test_of_several_seeds_it_is_over_proteins_and_seeds() -> None:
    rng = np.random.default_rng(6)
    hits = np.stack([rng.random(400) < rate for rate in (0.62, 0.7, 0.78)])
    runs = [predicted(each) for each in hits]
    low, high = bootstrap("accuracy", Problem.SINGLE_LABEL, runs)
    error = standard_error(hits.mean(1), np.cov(hits.astype(float)) / 400, 400)
    expected = error.interval(hits.mean())
    width = expected[1] - expected[0]
    assert (low, high) == pytest.approx(expected, abs=0.05 * width)
    proteins = np.quantile(resample(["accuracy"], Problem.SINGLE_LABEL, runs)["accuracy"], [0, 1])
    assert high - low > proteins[1] - proteins[0]


def test_it_stays_where_the_metric_can_be() -> None:
    hits = np.ones((2, 30), bool)
    hits[0, :3] = False
    low, high = bootstrap("accuracy", Problem.SINGLE_LABEL, [predicted(each) for each in hits])
    assert 0 <= low < 0.95 < high == 1


def test_what_is_not_defined_has_no_interval() -> None:
    one = Predicted(torch.ones(1), torch.ones(1), torch.zeros(1, dtype=torch.int64))
    assert np.isnan(bootstrap("spearman", Problem.REGRESSION, [one], draws=3)).all()


def test_every_metric_has_an_interval_around_its_value() -> None:
    rng = np.random.default_rng(4)
    scores, labels = torch.from_numpy(rng.dirichlet((1, 1, 1), 150)), torch.arange(150) % 3
    run = Predicted(scores, labels, torch.arange(150))
    names = METRICS[Problem.SINGLE_LABEL]
    found = intervals(names, Problem.SINGLE_LABEL, [run], draws=400)
    values = compute(names, Problem.SINGLE_LABEL, scores, labels)
    assert set(found) == set(names)
    assert all(low < values[name] < high for name, (low, high) in found.items())
    assert found["mcc"] == bootstrap("mcc", Problem.SINGLE_LABEL, [run], draws=400)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_lower_level_makes_a_narrower_interval(seeds: int) -> None:
    rng = np.random.default_rng(5)
    labels, rows = torch.from_numpy(rng.standard_normal(80)), torch.arange(80)
    noise = torch.from_numpy(rng.standard_normal((seeds, 80)))
    runs = [Predicted(labels + each, labels, rows) for each in noise]
    (wide, narrow) = (
        bootstrap("rmse", Problem.REGRESSION, runs, draws=200, level=level) for level in (0.95, 0.5)
    )
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_unknown_metrics_are_named() -> None:
    with pytest.raises(UnknownNameError, match="accuracy"):
        intervals(["acuracy"], Problem.SINGLE_LABEL, [predicted(np.ones(3) > 0)])


def test_clearly_better_is_beyond_half_an_error_of_the_paired_difference() -> None:
    rng = np.random.default_rng(0)
    labels, rows = torch.from_numpy(rng.standard_normal(400)), torch.arange(400)

    def noisy(noise: float, seed: int) -> Predicted:
        errors = torch.from_numpy(np.random.default_rng(seed).standard_normal(400))
        return Predicted(labels + noise * errors, labels, rows)

    good, bad = noisy(0.5, 1), noisy(2.0, 2)
    for metric in ("spearman", "rmse"):
        assert clearly_better(metric, Problem.REGRESSION, good, bad)
        assert not clearly_better(metric, Problem.REGRESSION, bad, good)
        assert not clearly_better(metric, Problem.REGRESSION, good, good)
    constant = Predicted(torch.zeros(400, dtype=torch.float64), labels, rows)
    assert clearly_better("spearman", Problem.REGRESSION, good, constant)
    assert not clearly_better("spearman", Problem.REGRESSION, constant, good)


@pytest.mark.parametrize(("count", "known"), [(4, False), (5, True)])
def test_five_proteins_have_an_interval(count: int, known: bool) -> None:
    bounds = bootstrap("accuracy", Problem.SINGLE_LABEL, [predicted(np.arange(count) < 3)], draws=9)
    assert np.isfinite(bounds).all() == known


def test_millions_of_scores_are_drawn_less_often(monkeypatch) -> None:
    run = predicted(np.arange(20) < 9)  # 40 scores
    for size, draws in ((41, 1000), (40, 200)):
        monkeypatch.setattr("sesstore.training.intervals.LARGE_SET", size)
        assert len(resample(["accuracy"], Problem.SINGLE_LABEL, [run])["accuracy"]) == draws


def test_draws_in_turns_are_the_same(monkeypatch) -> None:
    run = predicted(np.arange(20) < 9)
    whole = resample(["accuracy"], Problem.SINGLE_LABEL, [run], draws=25)["accuracy"]
    monkeypatch.setattr("sesstore.training.intervals.AT_ONCE", 60)
    turns = resample(["accuracy"], Problem.SINGLE_LABEL, [run], draws=25)["accuracy"]
    np.testing.assert_array_equal(turns, whole)
    assert not np.array_equal(
        resample(["accuracy"], Problem.SINGLE_LABEL, [run], draws=25, seed=1)["accuracy"], whole
    )


@pytest.mark.parametrize(
    ("metric", "low", "high"),
    [("mcc", -1.0, 1.0), ("accuracy", 0.0, 1.0), ("rmse", 0.0, np.inf), ("r2", -np.inf, 1.0)],
)
def test_bounds_stay_where_each_metric_can_be(monkeypatch, metric, low, high) -> None:
    wide = (lambda *a: (-9.0, 9.0)), (low if low > -9 else -9.0, high if high < 9 else 9.0)
    monkeypatch.setattr("sesstore.training.intervals.interval_of_mean", wide[0])
    regression = metric in ("rmse", "r2")
    problem = Problem.REGRESSION if regression else Problem.SINGLE_LABEL
    values = torch.arange(6.0)
    run = Predicted(values, values, torch.arange(6)) if regression else predicted(np.arange(6) < 3)
    assert bootstrap(metric, problem, [run], draws=3) == wide[1]


def test_folds_are_drawn_before_their_proteins() -> None:
    hits = np.repeat([False, True], 20)  # all wrong in one fold, all right in the other
    run = predicted(hits)
    folded = Predicted(run.scores, run.labels, run.rows, torch.from_numpy(np.repeat([0, 1], 20)))
    draws = resample(["accuracy"], Problem.SINGLE_LABEL, [folded], draws=400)["accuracy"]
    assert set(draws) == {0.0, 0.5, 1.0}
    assert (draws == 0.5).mean() == pytest.approx(0.5, abs=0.1)
    first = {tuple(t.tolist()) for t in _folds_of(folded)}
    assert first == {tuple(range(20)), tuple(range(20, 40))}
    assert _folds_of(run) == []
