"""A small store with random proteins, and an encoder that needs no weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.proteins import Protein
from sesstore.store import Store


@pytest.fixture
def proteins() -> list[Protein]:
    rng = np.random.default_rng(3)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    return [
        Protein(f"p{i}", "".join(rng.choice(letters, int(n))))
        for i, n in enumerate(rng.integers(2, 60, 40))
    ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.fixture
def encoder() -> Encoder:
    return registry.load("blosum62")
