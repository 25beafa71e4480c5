"""What is said of simple models beside an adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.errors import InputError
from sesstore.training.baseline_report import RECORD, BaselineReport


def report(monitor: str, difference: float, low: float, high: float) -> BaselineReport:
    return BaselineReport("test", monitor, {}, {}, {}, "linear", difference, low, high)


@pytest.mark.parametrize(
    ("monitor", "low", "high", "verdict"),
    [
        ("mcc", 0.01, 0.2, "is better than"),
        ("mcc", -0.2, -0.01, "is worse than"),
        ("mcc", -0.1, 0.1, "are not told apart"),
        ("mcc", 0.0, 0.2, "are not told apart"),
        ("mcc", -0.2, 0.0, "are not told apart"),
        ("rmse", 0.01, 0.2, "is worse than"),
        ("rmse", -0.2, -0.01, "is better than"),
        ("rmse", -0.1, 0.1, "are not told apart"),
    ],
)
def test_which_is_better(monitor: str, low: float, high: float, verdict: str) -> None:
    sentence = report(monitor, 0.05, low, high).sentence
    assert verdict in sentence
    assert sentence.endswith(f": test {monitor} +0.0500 (95 % interval {low:+.4f} to {high:+.4f})")
    assert "(linear)" in sentence


def test_a_record_comes_back_and_a_broken_one_is_named(tmp_path: Path) -> None:
    assert BaselineReport.load(tmp_path) is None
    saved = report("mcc", 0.05, -0.1, 0.2)
    saved.save(tmp_path)
    assert BaselineReport.load(tmp_path) == saved
    for text in ("{", '{"split": "test"}'):
        (tmp_path / RECORD).write_text(text)
        with pytest.raises(InputError, match="no record of simple models"):
            BaselineReport.load(tmp_path)
