"""Which text is a number, and which is one only in somebody's notation."""

from __future__ import annotations

import math

import pytest

from sesstore.datasets.decimals import is_written_number, number_of


@pytest.mark.parametrize(
    ("raw", "value"),
    [("1.5", 1.5), (" -3 ", -3.0), ("\u22122e3", -2000.0), (".5", 0.5), (7, 7.0)],
)
def test_numbers(raw: object, value: float) -> None:
    assert number_of(raw) == value


@pytest.mark.parametrize("raw", ["0,1", "1,234.5", "1.2.3", ",", "", "x", True, None, [1]])
def test_what_is_no_number_is_none(raw: object) -> None:
    assert number_of(raw) is None


def test_whole_numbers_of_any_size() -> None:
    assert number_of(10**400) == math.inf


@pytest.mark.parametrize("text", ["0,1", "1.234,5", "1,234.5", "1\u2009234", "\u22123,5e2"])
def test_numbers_in_some_notation(text: str) -> None:
    assert is_written_number(text)


@pytest.mark.parametrize("text", ["", ",", "x1", "1;2", "0x1"])
def test_what_is_a_number_in_no_notation(text: str) -> None:
    assert not is_written_number(text)
