from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.training import applicability
from sesstore.training.applicability import TrainingSet, training_set


def test_what_is_unlike_all_is_far_and_copies_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    means = (rng.normal(size=(50, 8)) + 5).astype(np.float16)
    TrainingSet(means, 0.1).save(tmp_path)
    (tmp_path / "seed-0").mkdir()
    training = TrainingSet.load(tmp_path / "seed-0")
    distances = training.distances(np.concatenate([means[:3], -means[:1]]))
    np.testing.assert_allclose(distances[:3], 0, atol=1e-5)
    assert distances[3] > 1.5 > training.limit
    assert TrainingSet.load(tmp_path.parent / "nowhere" / "x") is None
    TrainingSet(means, 0.2).save(tmp_path / "seed-0")
    assert TrainingSet.load(tmp_path / "seed-0").limit == 0.2  # its own comes first


def test_the_limit_is_what_nearly_all_keep_to_the_nearest_other(taught, monkeypatch) -> None:
    digests = taught.task().splits["train"].digests
    view = taught.embeddings
    training = training_set(view, np.concatenate([digests, digests[:3]]))
    assert len(training.means) == len(np.unique(digests, axis=0))
    units = training.means.astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    alike = units @ units.T
    np.fill_diagonal(alike, -1)
    assert training.limit == pytest.approx(np.percentile(1 - alike.max(1), 99), abs=2e-3)
    assert len(training_set(view, digests[:2]).means) == 2
    assert training_set(view, digests[[0, 0]]) is None
    monkeypatch.setattr(applicability, "MOST", 30)
    assert len(training_set(view, digests[:30]).means) == 30
    drawn, other = (training_set(view, digests, seed=seed).means for seed in (1, 2))
    assert (len(np.unique(drawn, axis=0)), len(np.unique(other, axis=0))) == (30, 30)
    assert not np.array_equal(drawn, other)
