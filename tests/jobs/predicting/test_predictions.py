"""What a row of predictions says, and the embeddings and chunks it comes from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sesstore.encoders import registry
from sesstore.jobs.predicting.predictions import (
    _prediction,
    certainty_cells,
    certainty_columns,
    columns,
    rows,
)
from sesstore.proteins import Protein
from sesstore.tasks import Problem
from sesstore.training.certainty import Certainty
from sesstore.training.conformal import Conformal
from sesstore.training.intervals import Predicted
from sesstore.training.perclass import class_scores
from sesstore.training.predictor import Predictions
from sesstore.training.runs import Run


def test_a_row_says_what_a_prediction_means(tmp_path: Path) -> None:
    """Labels above one half, as in metrics; four digits; lists where each residue has its own."""

    def row(problem: Problem, scores: list) -> dict:
        fingerprint = registry.load("onehot").fingerprint
        task = {"problem": str(problem), "classes": ["a", "b"]}
        run = Run(tmp_path, task, {}, fingerprint, None, {}, {}, [], {})
        found = Predictions([torch.tensor(scores)], np.array([True]), np.array([0.123456]))
        (one,) = rows(run, [Protein("p", "MK")], found)
        assert list(one) == list(columns(run))
        assert (one["id"], one["length"], one["unmasked"]) == ("p", 2, 0.1235)
        return dict(list(one.items())[5:])

    found = row(Problem.MULTI_LABEL, [0.50001, 0.5])
    assert found == {"label": ["a"], "p_a": 0.5, "p_b": 0.5}
    (one, other) = class_scores(
        ["a", "b"],
        Problem.MULTI_LABEL,
        [Predicted(torch.tensor([[0.50001, 0.5]]), torch.ones(1, 2), torch.zeros(1))],
    )
    assert (one.said, other.said) == (1, 0)
    assert row(Problem.SINGLE_LABEL, [0.25, 0.75])["label"] == "b"
    assert row(Problem.REGRESSION, 41.234567) == {"value": 41.2346}
    assert row(Problem.RESIDUE_REGRESSION, [1.5, 2.00009]) == {"value": [1.5, 2.0001]}
    residues = row(Problem.RESIDUE_SINGLE_LABEL, [[0.9, 0.1], [0.25, 0.75]])
    assert residues == {"label": ["a", "b"], "probability": [0.9, 0.75]}


def test_a_label_is_told_above_a_half_and_a_protein_is_far_beyond_the_limit() -> None:
    scores = torch.tensor([[0.5, 0.50004, 0.123456]])
    row = _prediction(scores[0], Problem.MULTI_LABEL, ["a", "b", "c"])
    assert row == {"label": ["b"], "p_a": 0.5, "p_b": 0.5, "p_c": 0.1235}
    training = SimpleNamespace(limit=0.25)
    certainty = Certainty(Problem.MULTI_LABEL, 2, 2.0, Conformal(0.5, 0.9, 30), training)
    for distance, far in ((0.25, False), (0.2501, True)):
        predictions = SimpleNamespace(
            scores=scores, spread=torch.tensor([[0.1, 0.2, 0.3]]), distance=np.array([distance])
        )
        cells = certainty_cells(certainty, predictions, 0, ["a", "b", "c"])
        assert list(cells) == list(certainty_columns(certainty))
        assert (cells["distance"], cells["far"]) == (distance, far)
        assert (cells["spread"], cells["set_90"]) == (0.2, ["a", "b"])
        assert cells["confidence"] == pytest.approx(0.5, abs=1e-3)
    value = Certainty(Problem.REGRESSION, 1, None, Conformal(1.5, 0.9, 30), None)
    predictions = SimpleNamespace(scores=torch.tensor([10.0]), distance=None)
    cells = certainty_cells(value, predictions, 0, ["Tm"])
    assert cells == {"low_90": 8.5, "high_90": 11.5}
    assert certainty_columns(value) == {"low_90": "number", "high_90": "number"}
