from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.datasets.labels import parse_label
from sesstore.errors import InputError
from sesstore.tasks import Problem


@pytest.mark.parametrize("raw", [1, "1", 1.0, "1.0", " 1 "])
def test_a_class_in_any_spelling(raw: object) -> None:
    assert parse_label(raw, Problem.SINGLE_LABEL, 2) == 1


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (None, "no label"),
        ("", "no label"),
        (2, "out of range: this task has 0 to 1"),
        (-1, "out of range"),
        (0.5, "no whole number"),
        ("membrane", "no number"),
        (float("nan"), "no finite number"),
        (True, "no finite number"),
    ],
)
def test_what_is_no_class(raw: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_label(raw, Problem.SINGLE_LABEL, 2)


@pytest.mark.parametrize("raw", ["18,117", "117, 18", "[18, 117]", [18, 117], (117, 18, 18)])
def test_several_labels_in_any_spelling(raw: object) -> None:
    assert parse_label(raw, Problem.MULTI_LABEL, 585) == (18, 117)


@pytest.mark.parametrize("raw", ["", "[]", []])
def test_no_label_is_a_set_too(raw: object) -> None:
    assert parse_label(raw, Problem.MULTI_LABEL, 585) == ()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_exactly(value: float) -> None:
    assert parse_label(repr(value), Problem.REGRESSION, 1) == value


@given(st.sets(st.integers(0, 584)))
def test_sets_come_back(labels: set[int]) -> None:
    text = ",".join(map(str, labels))
    assert parse_label(text, Problem.MULTI_LABEL, 585) == tuple(sorted(labels))
