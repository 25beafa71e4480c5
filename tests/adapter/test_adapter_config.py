"""What an adapter's settings refuse, and in which order its alphabets attend."""

from __future__ import annotations

import pytest

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import InputError, UnknownNameError


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"heads": 5}, InputError),
        ({"width": 12, "heads": 4}, InputError),
        ({"dropout": 1.0}, InputError),
        ({"dropout": -0.1}, InputError),
        ({"modality_dropout": 1.0}, InputError),
        ({"heads": 32}, InputError),  # heads of width 1, which RoPE cannot turn
        ({"pooling": "max"}, UnknownNameError),
        ({"alphabets": ("foldsek",)}, UnknownNameError),
    ],
)
def test_refuses_impossible_shapes(settings, error) -> None:
    with pytest.raises(error):
        AdapterConfig(32, 2, **settings)
