from __future__ import annotations

from pathlib import Path

import numpy as np

from sesstore.training.applicability import TrainingSet


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
