"""Curves against scikit-learn's; a curve that cannot be is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.reports.thresholds import CURVES, curve_classes, precision_recall, roc
from sesstore.tasks import Problem

sklearn = pytest.importorskip("sklearn.metrics")


@pytest.mark.parametrize("digits", [1, 6])  # with many ties, and without
def test_curves_are_those_of_scikit_learn(digits: int) -> None:
    rng = np.random.default_rng(digits)
    truth = rng.random(200) < 0.3
    scores = np.round(rng.random(200) * 0.7 + 0.3 * truth, digits)
    false_rates, true_rates = roc(scores, truth)
    right_false, right_true, _ = sklearn.roc_curve(truth, scores, drop_intermediate=False)
    assert false_rates == pytest.approx(right_false)
    assert true_rates == pytest.approx(right_true)
    recall, precision = precision_recall(scores, truth)
    right_precision, right_recall, _ = sklearn.precision_recall_curve(truth, scores)
    # Theirs runs from the lowest threshold up and ends at an added point.
    assert recall[::-1] == pytest.approx(right_recall[:-1])
    assert precision[::-1] == pytest.approx(right_precision[:-1])


def test_which_classes_have_curves(findings) -> None:
    found = findings(Problem.MULTI_LABEL)
    assert len(curve_classes(found)) == CURVES
    counts = [int(found.predicted[0].labels[:, k].sum()) for k in curve_classes(found)]
    assert counts == sorted(counts, reverse=True)
    single = findings()
    one_class = replace(single.predicted[0], labels=torch.zeros(40, dtype=torch.long))
    assert curve_classes(replace(single, predicted=(one_class,))) == []
    two = replace(
        single.predicted[0], scores=single.predicted[0].scores[:, :2],
        labels=single.predicted[0].labels % 2,
    )  # fmt: skip
    assert curve_classes(replace(single, predicted=(two,))) == [1]
