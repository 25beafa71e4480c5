"""Which text is a number, and which is one only in somebody's notation."""

from __future__ import annotations

import math

import pytest

from sesstore.datasets.decimals import ascending, is_written_number, number_of, pointed, ungrouped


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


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("1 234", "1234"),
        ("1'234'567.5", "1234567.5"),
        ("1\u2019234", "1234"),
        ("1\u00a0234", "1234"),
        ("1\u202f234,5", "1234,5"),
        ("\u22121 234", "-1234"),
        ("12 34", "12 34"),
        ("1 2345", "1 2345"),
        ("12345 678 kb", "12345 678 kb"),
        ("\u2212x", "-x"),
    ],
)
def test_what_stands_between_thousands_is_taken_out(text: str, bare: str) -> None:
    assert ungrouped(text) == bare


@pytest.mark.parametrize(
    ("text", "value"), [("1.234,5", "1234.5"), ("0,5", "0.5"), ("1.234", "1.234"), ("7", "7")]
)
def test_a_decimal_comma_becomes_a_point(text: str, value: str) -> None:
    assert pointed(text) == value


@pytest.mark.parametrize(
    ("text", "may_be_classes"),
    [("1,7", True), ("1,10", True), ("0,1", True), ("1,0", False), ("7,1", False), ("3,3", False),
     ("1,07", False), ("-1,7", False), ("+1,7", False)],
)  # fmt: skip
def test_classes_are_in_order(text: str, may_be_classes: bool) -> None:
    assert ascending(text) is may_be_classes
