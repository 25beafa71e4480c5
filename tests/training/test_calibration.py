from __future__ import annotations

import numpy as np
import pytest
import torch

from sesstore.tasks import Problem
from sesstore.training.calibration import (
    expected_calibration_error,
    fit_temperature,
    reliability,
    tempered,
    top_class,
)


def overconfident(rows: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities whose logits are three times too large, and true classes."""
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn(rows, 4, generator=rng)
    labels = torch.multinomial(logits.softmax(-1), 1, generator=rng)[:, 0]
    return (3 * logits).softmax(-1), labels


def test_the_temperature_is_what_logits_are_too_large_by() -> None:
    scores, labels = overconfident()
    temperature = fit_temperature(scores, labels, Problem.SINGLE_LABEL)
    assert temperature == pytest.approx(3, rel=0.1)
    before = expected_calibration_error(*top_class(scores, labels, Problem.SINGLE_LABEL))
    calibrated = tempered(scores, temperature, Problem.SINGLE_LABEL)
    after = expected_calibration_error(*top_class(calibrated, labels, Problem.SINGLE_LABEL))
    assert after < 0.03 < 0.2 < before
    assert (calibrated.argmax(1) == scores.argmax(1)).all()


def test_several_labels_are_calibrated_by_their_most_probable() -> None:
    rng = torch.Generator().manual_seed(2)
    logits = torch.randn(4000, 3, generator=rng)
    labels = (torch.rand(4000, 3, generator=rng) < logits.sigmoid()).long()
    temperature = fit_temperature((2 * logits).sigmoid(), labels, Problem.MULTI_LABEL)
    assert temperature == pytest.approx(2, rel=0.15)


def test_bins_hold_every_row_and_the_error_is_their_mean_gap() -> None:
    confidence, right = np.array([0.2, 0.22, 0.9, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])
    bins = reliability(confidence, right, bins=2)
    assert [(b.count, b.accuracy) for b in bins] == [(2, 0.5), (2, 1.0)]
    error = expected_calibration_error(confidence, right, bins=2)
    assert error == pytest.approx((2 * 0.29 + 2 * 0.05) / 4)


def test_probabilities_at_a_temperature() -> None:
    scores = torch.tensor([[0.8, 0.2], [0.5, 0.5]])
    odds = torch.tensor([[2.0, 0.5], [1.0, 1.0]])  # of temperature 2: 4 and 1 / 4, by the root
    several = tempered(scores, 2.0, Problem.MULTI_LABEL)
    torch.testing.assert_close(several, odds / (1 + odds))
    torch.testing.assert_close(
        tempered(scores, 2.0, Problem.SINGLE_LABEL), torch.tensor([[2 / 3, 1 / 3], [0.5, 0.5]])
    )
    assert torch.isfinite(tempered(torch.tensor([[0.0, 1.0]]), 0.05, Problem.MULTI_LABEL)).all()


def test_the_class_that_is_most_probable_is_right_where_a_row_has_it() -> None:
    scores = torch.tensor([[0.9, 0.2], [0.3, 0.6]])
    confidence, right = top_class(scores, torch.tensor([[1, 0], [1, 0]]), Problem.MULTI_LABEL)
    assert (confidence.tolist(), right.tolist()) == (pytest.approx([0.9, 0.6]), [1.0, 0.0])
    _, right = top_class(scores, torch.tensor([1, 1]), Problem.SINGLE_LABEL)
    assert right.tolist() == [0.0, 1.0]


def test_a_bin_begins_at_its_lower_bound() -> None:
    confidence = np.array([0.0, 0.49, 0.5, 0.75, 1.0])
    bins = reliability(confidence, np.array([0.0, 1.0, 0.0, 1.0, 1.0]), bins=4)
    assert [b.count for b in bins] == [1, 1, 1, 2]
    assert [b.confidence for b in bins] == pytest.approx([0.0, 0.49, 0.5, 0.875])
    assert len(reliability(np.linspace(0, 1, 1000), np.ones(1000))) == 15
