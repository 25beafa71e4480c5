"""What a row of predictions says, and the embeddings and chunks it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sesstore.encoders import registry
from sesstore.jobs.predicting.predictions import columns, rows
from sesstore.proteins import Protein
from sesstore.tasks import Problem
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
