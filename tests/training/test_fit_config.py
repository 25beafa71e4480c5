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


@pytest.mark.parametrize(
    ("name", "least", "below"),
    [
        ("lr", 1e-12, 0.0),
        ("epochs", 1, 0),
        ("patience", 1, 0),
        ("batch_tokens", 1, 0),
        ("weight_decay", 0.0, -1e-9),
        ("clip", 0.0, -1e-9),
        ("focal", 0.0, -1e-9),
        ("min_plddt", 0, -1),
        ("stop_after", 0, -1),
        ("warmup", 0.0, -1e-9),
    ],
)
def test_the_least_of_each_setting(name: str, least: float, below: float) -> None:
    assert getattr(FitConfig(**{name: least}), name) == least
    with pytest.raises(InputError, match=name):
        FitConfig(**{name: below})


@pytest.mark.parametrize(
    ("epochs", "stop_after", "last"), [(9, None, 9), (9, 4, 4), (9, 12, 9), (9, 0, 0)]
)
def test_the_last_epoch(epochs: int, stop_after: int | None, last: int) -> None:
    config = FitConfig(lr=1e-3, epochs=epochs, patience=1, batch_tokens=9, stop_after=stop_after)
    assert config.last_epoch == last
    assert config.checked(max(last, 1))


def test_checks_are_at_the_end_of_their_share() -> None:
    config = FitConfig(lr=1e-3, epochs=60, patience=1, batch_tokens=9)
    assert [epoch for epoch in range(1, 9) if config.checked(epoch)] == [2, 4, 6, 8]
