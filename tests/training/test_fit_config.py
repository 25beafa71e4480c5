"""Settings that are not possible are refused."""

from __future__ import annotations

import pytest

from sesstore.errors import InputError
from sesstore.training.fit_config import FitConfig


@pytest.mark.parametrize(
    "wrong", [{"lr": 0}, {"schedule": "linear"}, {"warmup": 1.0}, {"clip": -1}, {"epochs": 0}]
)
def test_refuses_impossible_settings(wrong) -> None:
    with pytest.raises(InputError):
        FitConfig(**wrong)
