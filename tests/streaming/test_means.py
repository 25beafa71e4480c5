from __future__ import annotations

import numpy as np
import pytest

from sesstore.streaming import means
from sesstore.streaming.means import mean_embeddings

from .conftest import Stored


def test_means_are_those_of_each_protein(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any order, with repeats, in several readings, over several segments."""
    view = stored.store.embeddings()
    monkeypatch.setattr(means, "RESIDUES", 100)
    rows = np.array([5, 0, 3, 5, *range(len(view) - 1, -1, -1)])
    for row, mean in zip(rows, mean_embeddings(view, rows).numpy(), strict=True):
        expected = view.get(view.digests[row].tobytes()).astype(np.float32).mean(0)
        np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-6)
