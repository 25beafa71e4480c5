"""A metric of a resample is the metric of the rows drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.tasks import Problem
from sesstore.training import resampled
from sesstore.training.metrics import METRICS, compute
from sesstore.training.resampled import Rows, prepare


def made(problem: Problem, seed: int, rounded: bool) -> Rows:
    """Some proteins with one to three scores each, and ties among them."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(8), rng.integers(1, 4, 8) if problem.per_residue else 1)
    width = int(rng.integers(2, 5))
    if problem.is_regression:
        labels = rng.normal(50, 10, len(rows))
        scores = labels + rng.normal(0, 8, len(rows))
        return Rows(scores.round(-1) if rounded else scores, labels.round(-rounded), rows)
    if problem is Problem.MULTI_LABEL:
        scores, labels = rng.random((len(rows), width)), rng.random((len(rows), width)) > 0.6
        labels[0, 0] = True
        return Rows(scores.round(1) if rounded else scores, labels.astype(float), rows)
    scores = rng.dirichlet(np.ones(width), len(rows))
    return Rows(scores.round(1) if rounded else scores, rng.integers(0, width, len(rows)), rows)


@given(st.sampled_from(list(METRICS)), st.integers(0, 10_000), st.booleans())
@settings(max_examples=settings.default.max_examples * 3 // 5)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_equal_to_scoring_the_drawn_rows(problem, seed, rounded) -> None:
    data = made(problem, seed, rounded)
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, data.count, (3, data.count))
    drawn = np.stack([np.bincount(pick, minlength=data.count) for pick in picks]).astype(float)
    index = [np.concatenate([np.flatnonzero(data.rows == r) for r in pick]) for pick in picks]
    for name in METRICS[problem]:
        found = prepare(name, problem, data)(drawn)
        for value, rows in zip(found, index, strict=True):
            scores, labels = (
                torch.from_numpy(data.scores[rows]),
                torch.from_numpy(data.labels[rows]),
            )
            expected = compute([name], problem, scores, labels)[name]
            if len(np.unique(rows)) == 1 or (
                problem.is_regression
                and min(len(np.unique(part[rows])) for part in (data.labels, data.scores)) < 2
            ):
                continue  # torchmetrics and the formula differ in how they are undefined
            assert value == pytest.approx(expected, abs=2e-5, nan_ok=True), name


def test_many_labels_are_thinned_out_with_a_small_error(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((120, 40)) > 0.9
    scores = 1 / (1 + np.exp(-(rng.normal(-3, 1, labels.shape) + 3 * labels)))
    data, once = Rows(scores, labels.astype(float), np.arange(120)), np.ones((1, 120))
    exact = {m: prepare(m, Problem.MULTI_LABEL, data)(once)[0] for m in ("f1max", "auprc", "auroc")}
    monkeypatch.setattr(resampled, "THRESHOLDS", 200)
    for metric, value in exact.items():
        found = prepare(metric, Problem.MULTI_LABEL, data)(once)[0]
        assert found == pytest.approx(value, abs=1 / 200)
