"""How wrong each row is: by definition, row by row, and the mean over seeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sesstore.reports.row_errors import row_errors, row_losses, true_probability
from sesstore.tasks import Problem
from sesstore.training.intervals import Predicted


def seeds(scores: list, labels: list, rows: list[int]) -> list[Predicted]:
    """Two seeds with these scores."""
    return [
        Predicted(torch.tensor(one), torch.tensor(labels), torch.tensor(rows)) for one in scores
    ]


def test_classes_of_proteins() -> None:
    runs = seeds([[[0.9, 0.1], [0.6, 0.4]], [[0.4, 0.6], [0.2, 0.8]]], [0, 1], [0, 2])
    errors = row_errors(Problem.SINGLE_LABEL, runs, 3)
    assert errors[[0, 2]].tolist() == [0.5, 0.5]
    assert np.isnan(errors[1])
    losses = row_losses(Problem.SINGLE_LABEL, runs, 3)
    assert losses[0] == pytest.approx(-(np.log(0.9) + np.log(0.4)) / 2)
    assert true_probability(runs[1]) == pytest.approx([0.4, 0.8])


def test_values_and_residues_of_proteins() -> None:
    runs = seeds([[1.0, 4.0, 9.0], [3.0, 4.0, 8.0]], [0.0, 6.0, 9.0], [0, 0, 1])
    assert row_errors(Problem.RESIDUE_REGRESSION, runs, 2).tolist() == [2.0, 0.5]
    assert row_losses(Problem.RESIDUE_REGRESSION, runs, 2).tolist() == [4.5, 0.5]


def test_labels_missed_among_as_many_as_there_are() -> None:
    scores = [[[0.9, 0.8, 0.1, 0.2], [0.1, 0.2, 0.3, 0.4]]] * 2
    runs = seeds(scores, [[1, 0, 0, 1], [0, 0, 0, 1]], [0, 1])
    assert row_errors(Problem.MULTI_LABEL, runs, 2).tolist() == [0.5, 0.0]
    expected = -np.log([0.9, 0.2, 0.9, 0.2]).sum()
    assert row_losses(Problem.MULTI_LABEL, runs, 2)[0] == pytest.approx(expected)
