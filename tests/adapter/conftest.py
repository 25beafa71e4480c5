"""Packed batches of random proteins, and the padded write-up to compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import strategies as st

from sesstore.alphabets import ALPHABETS
from sesstore.streaming.batch import Batch

from ..modules import load_module

LENGTHS = (7, 1, 30, 12, 2, 65)


DIM = 32

MakeBatch = Callable[..., Batch]


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """The slow, padded write-up of the adapter."""
    path = Path(__file__).parents[1] / "reference" / "padded.py"
    return load_module("reference_padded", path)


@pytest.fixture
def make_batch() -> MakeBatch:
    """Makes a seeded batch; ``shares`` gives token distributions instead of codes."""

    def make(
        lengths: Sequence[int] = LENGTHS,
        *,
        dim: int = DIM,
        shares: bool = False,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> Batch:
        chance = torch.Generator().manual_seed(seed)
        total = sum(lengths)
        values = torch.randn(total, dim, generator=chance, dtype=torch.float64).to(dtype)
        tokens = {}
        for name, alphabet in ALPHABETS.items():
            codes = torch.randint(0, alphabet.size, (total,), generator=chance)
            if shares:
                other = torch.randint(0, alphabet.size, (total,), generator=chance)
                both = torch.nn.functional.one_hot(torch.stack([codes, other]), alphabet.size)
                tokens[name] = both.to(dtype).mean(0)
            else:
                tokens[name] = codes
        index = torch.arange(len(lengths))
        return Batch(values, tokens, tuple(lengths), None, index)

    return make


def unpack(batch: Batch) -> tuple[list[torch.Tensor], dict[str, list[torch.Tensor]]]:
    """Each protein's values, and by alphabet its tokens."""
    lengths = list(batch.lengths)
    tokens = {name: list(codes.split(lengths)) for name, codes in batch.tokens.items()}
    return list(batch.values.split(lengths)), tokens


@pytest.fixture
def unpacked() -> Callable[[Batch], tuple[list[torch.Tensor], dict[str, list[torch.Tensor]]]]:
    return unpack


CPU = torch.device("cpu")


PACKED_LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=7)
