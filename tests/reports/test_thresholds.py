"""Curves against scikit-learn's; a curve that cannot be is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.reports.thresholds import (
    CURVES,
    POINTS,
    _thinned,
    curve_classes,
    precision_recall,
    precision_recall_chart,
    protein_centric_chart,
    roc,
    roc_chart,
)
from sesstore.tasks import Problem
from sesstore.training.metrics import protein_centric

from .conftest import rows_of

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


@pytest.mark.parametrize("count", [1, 2, POINTS - 1, POINTS, POINTS + 1, 12_345])
def test_a_thinned_curve_keeps_its_ends(count: int) -> None:
    places = _thinned(count)
    assert (places[0], places[-1], len(places)) == (0, count - 1, min(count, POINTS))


def test_curves_of_a_class_without_its_like_divide_by_nothing() -> None:
    scores = np.array([0.9, 0.1])
    for truth in (np.array([True, True]), np.array([False, False])):
        assert np.isfinite([*roc(scores, truth)]).all()
        assert np.isfinite([*precision_recall(scores, truth)]).all()


def test_each_seed_and_class_has_a_line(findings) -> None:
    pytest.importorskip("altair")
    found = findings()
    rows = [row for row in rows_of(roc_chart(found).to_dict()) if "line" in row]
    assert {row["line"] for row in rows} == {f"{k}/{seed}" for k in range(3) for seed in range(2)}
    scores, truth = found.predicted[1].scores[:, 2], found.predicted[1].labels == 2
    across, up = roc(scores.double().numpy(), truth.numpy())
    line = [(r["false positive rate"], r["true positive rate"]) for r in rows if r["line"] == "2/1"]
    assert line == list(zip(across.tolist(), up.tolist(), strict=True))


def test_the_ring_is_where_f1_is_highest(findings) -> None:
    pytest.importorskip("altair")
    found = findings(Problem.MULTI_LABEL)
    rows = [row for row in rows_of(protein_centric_chart(found).to_dict()) if "F1" in row]
    for seed, value in enumerate(found.values["test"]["f1max"]):
        line = [row for row in rows if row["seed"] == str(seed)]
        best = max(line, key=lambda row: row["F1"])
        assert best["F1"] == pytest.approx(value, abs=1e-4)
        harmonic = 2 * best["recall"] * best["precision"] / (best["recall"] + best["precision"])
        assert best["F1"] == pytest.approx(harmonic)


def test_precision_against_recall_is_not_a_roc_curve(findings) -> None:
    pytest.importorskip("altair")
    found = findings(Problem.MULTI_LABEL)
    rows = [row for row in rows_of(precision_recall_chart(found).to_dict()) if "line" in row]
    k = curve_classes(found)[1]
    scores, labels = found.predicted[1].scores[:, k], found.predicted[1].labels[:, k]
    recall, precision = precision_recall(scores.double().numpy(), labels.numpy() > 0)
    line = [(r["recall"], r["precision"], r["class"]) for r in rows if r["line"] == f"{k}/1"]
    assert line == [
        (r, p, f"EC {k}") for r, p in zip(recall.tolist(), precision.tolist(), strict=True)
    ]


def test_points_of_a_protein_centric_curve_are_those_of_their_thresholds(findings) -> None:
    """Precision over proteins with a prediction, recall over those with a label, as in CAFA."""
    pytest.importorskip("altair")
    found = findings(Problem.MULTI_LABEL)
    rows = [row for row in rows_of(protein_centric_chart(found).to_dict()) if "F1" in row]
    labels = found.predicted[1].labels.numpy() > 0
    scores = found.predicted[1].scores.numpy()
    for row in [row for row in rows if row["seed"] == "1"][:: len(rows) // 20]:
        said = scores >= row["threshold"]
        hits = (said & labels).sum(1)
        some, labelled = said.any(1), labels.any(1)
        assert row["precision"] == pytest.approx((hits[some] / said[some].sum(1)).mean())
        assert row["recall"] == pytest.approx((hits[labelled] / labels[labelled].sum(1)).mean())


def test_every_score_is_a_threshold_of_a_protein_centric_curve() -> None:
    scores = torch.tensor([[0.9, 0.2], [0.4, 0.7], [0.4, 0.1]])
    labels = torch.tensor([[0, 1], [0, 1], [0, 0]])
    thresholds, precision, recall = protein_centric(scores.double(), labels)
    assert thresholds.tolist() == pytest.approx([0.9, 0.7, 0.4, 0.2, 0.1])
    assert precision.tolist() == pytest.approx([0, 1 / 2, 1 / 6, 1 / 3, 1 / 3])
    assert recall.tolist() == [0, 0.5, 0.5, 1, 1]
    assert len(protein_centric(scores.double(), torch.zeros_like(labels))[0]) == 5
