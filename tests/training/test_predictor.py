from __future__ import annotations

from dataclasses import replace
from statistics import stdev

import numpy as np
import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import FingerprintMismatchError, InputError, MissingFileError
from sesstore.tasks import Problem
from sesstore.training.evaluate import evaluate
from sesstore.training.fit import Member, fit_many
from sesstore.training.fit_config import FitConfig
from sesstore.training.learner import with_seeds
from sesstore.training.predictor import Predictor
from sesstore.training.seeds import deviation, runs_at

QUICK = FitConfig(epochs=2, batch_tokens=200, lr=3e-3)


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


def test_of_several_seeds_the_mean_is_given(taught, tmp_path) -> None:
    task = taught.task()
    shape = AdapterConfig(16, 3, ("dssp",), heads=4, pooling="mean")
    members = [Member(shape, one, tmp_path / f"seed-{one.seed}") for one in with_seeds(QUICK, 2)]
    fit_many(task, taught.embeddings, taught.tokens, members, tmp_path)
    runs = runs_at(tmp_path)
    assert [run.path.name for run in runs] == ["seed-0", "seed-1"]
    digests = task.splits["test"].digests
    each = [Predictor([run])(digests, taught.embeddings, taught.tokens).scores for run in runs]
    both = Predictor(runs)(digests, taught.embeddings, taught.tokens).scores
    for one, other, mean in zip(*each, both, strict=True):
        torch.testing.assert_close((one + other) / 2, mean)
        assert not torch.allclose(one, other)
    assert deviation([1.0, 2.0, 4.0]) == pytest.approx(stdev([1.0, 2.0, 4.0]))
    assert [run.path.name for run in runs_at(tmp_path / "seed-1")] == ["seed-1"]
    for seed in (10, 2):
        (tmp_path / f"seed-{seed}").mkdir()
        replace(runs[0], path=tmp_path / f"seed-{seed}").save()
    names = [run.path.name for run in runs_at(tmp_path)]
    assert names == ["seed-0", "seed-1", "seed-2", "seed-10"]
    replace(runs[1], source="esmfold").save()
    with pytest.raises(InputError, match="different trainings"):
        runs_at(tmp_path)
    with pytest.raises(MissingFileError, match="there is no run"):
        runs_at(tmp_path / "none")
