from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.errors import FingerprintMismatchError
from sesstore.tasks import Problem
from sesstore.training.evaluate import evaluate
from sesstore.training.predictor import Predictor


def test_predictions_need_no_labels(taught, trained) -> None:
    run, task = trained[Problem.SINGLE_LABEL], taught.task()
    digests = task.splits["test"].digests
    found = Predictor([run])(digests, taught.embeddings, taught.tokens)
    expected = evaluate(run, task, "test", taught.embeddings, taught.tokens).scores
    torch.testing.assert_close(torch.stack(found.scores), expected)
    torch.testing.assert_close(torch.stack(found.scores).sum(1), torch.ones(len(digests)))
    assert found.structure.all()
    without = Predictor([run])(digests, taught.embeddings, None)
    assert len(without.scores) == len(digests)
    assert not without.structure.any()
    assert not without.unmasked.any()


def test_a_prediction_does_not_depend_on_its_piece(taught, trained) -> None:
    predictor = Predictor([trained[Problem.SINGLE_LABEL]])
    digests = taught.task().splits["test"].digests
    together = predictor(digests, taught.embeddings, taught.tokens)
    alone = [predictor(digests[i : i + 1], taught.embeddings, taught.tokens) for i in range(4)]
    for one, score, share in zip(alone, together.scores, together.unmasked, strict=False):
        torch.testing.assert_close(one.scores[0], score)
        assert one.unmasked[0] == share


def test_the_unmasked_share_counts_residues_with_a_token(taught, trained) -> None:
    digests = taught.task().splits["test"].digests
    found = Predictor([trained[Problem.SINGLE_LABEL]])(digests, taught.embeddings, taught.tokens)
    for row, share in zip(digests, found.unmasked, strict=True):
        codes = taught.tokens.get(row.tobytes()).codes["dssp"][0]
        assert share == pytest.approx((codes != 8).mean())


def test_a_structure_counts_though_every_residue_is_masked(taught, masked) -> None:
    strict = replace(masked, config={**masked.config, "fit": {"min_plddt": 100}})
    digests = taught.task().splits["test"].digests
    found = Predictor([strict])(digests, taught.embeddings, taught.tokens)
    assert found.structure.all()
    assert not found.unmasked.any()


def test_residue_predictions_have_a_row_a_residue(taught, trained) -> None:
    digests = taught.task().splits["test"].digests
    predictor = Predictor([trained[Problem.RESIDUE_SINGLE_LABEL]])
    rows = predictor(digests, taught.embeddings, taught.tokens).scores
    lengths = taught.embeddings.lengths[taught.embeddings.find(digests)]
    assert [tuple(row.shape) for row in rows] == [(n, 3) for n in lengths]


def test_regression_predicts_in_original_units(taught, trained) -> None:
    digests = taught.task().splits["test"].digests
    predictor = Predictor([trained[Problem.REGRESSION]])
    values = torch.stack(predictor(digests, taught.embeddings, taught.tokens).scores)
    assert values.shape == (12,)
    assert 40 < float(values.mean()) < 80


def test_another_encoder_is_refused(taught, trained, other_encoder) -> None:
    view = other_encoder(taught.embeddings)
    with pytest.raises(FingerprintMismatchError, match="weights_sha256"):
        Predictor([trained[Problem.SINGLE_LABEL]])(np.zeros((1, 32), np.uint8), view, None)
