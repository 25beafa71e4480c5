"""Several seeds of one adapter."""

from __future__ import annotations

from dataclasses import replace
from statistics import stdev

import numpy as np
import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import InputError, MissingFileError
from sesstore.streaming.means import mean_embeddings
from sesstore.training.applicability import training_set
from sesstore.training.fit import Member, fit_many
from sesstore.training.fit_config import FitConfig
from sesstore.training.learner import with_seeds
from sesstore.training.predictor import Predictor
from sesstore.training.seeds import between, deviation, runs_at

from .conftest import BARE


def test_seeds_count_from_the_one_given() -> None:
    config = replace(BARE, seed=7, lr=0.125, min_plddt=50)
    assert with_seeds(config, 3) == [replace(config, seed=seed) for seed in (7, 8, 9)]


@pytest.mark.parametrize(
    ("bounds", "options", "text"),
    [
        ((0.12345, 0.5), {}, "0.1235 to 0.5000"),
        ((-0.1, 0.25), {"digits": 2, "signed": True}, "-0.10 to +0.25"),
        ((None, 0.5), {}, "-"),
        ((0.5, None), {}, "-"),
        ((float("nan"), 0.5), {}, "-"),
        ((0.5, float("nan")), {}, "-"),
        ((0.0, 0.0), {"digits": 1}, "0.0 to 0.0"),
    ],
)
def test_an_interval_as_text(bounds, options, text) -> None:
    assert between(bounds, **options) == text


QUICK = FitConfig(epochs=2, batch_tokens=200, lr=3e-3)


def test_of_several_seeds_the_mean_is_given(taught, tmp_path) -> None:
    task = taught.task()
    shape = AdapterConfig(16, 3, ("dssp",), heads=4, pooling="mean")
    members = [Member(shape, one, tmp_path / f"seed-{one.seed}") for one in with_seeds(QUICK, 2)]
    fit_many(task, taught.embeddings, taught.tokens, members, tmp_path)
    runs = runs_at(tmp_path)
    assert [run.path.name for run in runs] == ["seed-0", "seed-1"]
    digests = task.splits["test"].digests
    each = [Predictor([run])(digests, taught.embeddings, taught.tokens).scores for run in runs]
    training = training_set(taught.embeddings, task.splits["train"].digests)
    training.save(tmp_path)  # of all seeds
    both = Predictor(runs)(digests, taught.embeddings, taught.tokens)
    for one, other, mean, spread in zip(*each, both.scores, both.spread, strict=True):
        torch.testing.assert_close((one + other) / 2, mean)
        torch.testing.assert_close((one - other).abs() / 2**0.5, spread)
        assert not torch.allclose(one, other)
    means = mean_embeddings(taught.embeddings, taught.embeddings.find(digests)).numpy()
    np.testing.assert_allclose(both.distance, training.distances(means))
    assert len(set(both.distance.tolist())) > 5
    assert deviation([1.0, 2.0, 4.0]) == pytest.approx(stdev([1.0, 2.0, 4.0]))
    assert [run.path.name for run in runs_at(tmp_path / "seed-1")] == ["seed-1"]
    for seed in (10, 2):
        (tmp_path / f"seed-{seed}").mkdir()
        replace(runs[0], path=tmp_path / f"seed-{seed}").save()
    names = [run.path.name for run in runs_at(tmp_path)]
    assert names == ["seed-0", "seed-1", "seed-2", "seed-10"]
    fingerprint, task_record = (
        replace(runs[0].fingerprint, encoder="o"),
        runs[0].task | {"name": "o"},
    )
    for change in ({"source": "esmfold"}, {"task": task_record}, {"fingerprint": fingerprint}):
        replace(runs[1], **change).save()
        with pytest.raises(InputError, match="different trainings"):
            runs_at(tmp_path)
    with pytest.raises(MissingFileError, match="there is no run"):
        runs_at(tmp_path / "none")
