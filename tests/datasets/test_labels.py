from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.datasets.labels import (
    LabelReader,
    class_name,
    label_words,
    parse_mask,
    residue_words,
)
from sesstore.errors import InputError
from sesstore.tasks import Problem

BINARY = LabelReader(Problem.SINGLE_LABEL, ("membrane", "soluble"))
MANY = LabelReader(Problem.MULTI_LABEL, tuple(map(str, range(585))))
STATES = LabelReader(Problem.RESIDUE_SINGLE_LABEL, ("C", "E", "H"))
VALUES = LabelReader(Problem.RESIDUE_REGRESSION, ("score",))


@pytest.mark.parametrize("raw", [1, "1", 1.0, "1.0", " 1 ", "soluble", " soluble"])
def test_a_class_in_any_spelling(raw: object) -> None:
    assert BINARY.read(raw) == 1


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (None, "no label"),
        ("", "no label"),
        (float("nan"), "no label"),
        (2, "out of range: this task has 0 to 1"),
        (-1, "out of range"),
        (0.5, "no whole number"),
        ("cytosol", "no number, and no class name .*membrane, soluble"),
        (float("inf"), "no finite number"),
        (10**400, "no finite number"),
        (True, "no number, and no class name"),
    ],
)
def test_what_is_no_class(raw: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        BINARY.read(raw)


@pytest.mark.parametrize("raw", ["18,117", "117; 18", "[18, 117]", [18, 117], (117, 18, 18)])
def test_several_labels_in_any_spelling(raw: object) -> None:
    assert MANY.read(raw) == (18, 117)


@pytest.mark.parametrize("raw", ["", "[]", []])
def test_no_label_is_a_set_too(raw: object) -> None:
    assert MANY.read(raw) == ()


def test_an_absent_set_is_no_empty_set() -> None:
    with pytest.raises(InputError, match="no label"):
        MANY.read(None)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_exactly(value: float) -> None:
    assert LabelReader(Problem.REGRESSION, ("x",)).read(repr(value)) == value


@given(st.sets(st.integers(0, 584)))
def test_sets_come_back(labels: set[int]) -> None:
    assert MANY.read(",".join(map(str, labels))) == tuple(sorted(labels))


def test_a_name_counts_before_a_number() -> None:
    assert LabelReader(Problem.SINGLE_LABEL, ("2", "0")).read(0) == 1


@pytest.mark.parametrize("raw", ["HHEC", ["H", "H", "E", "C"], "H;H;E;C"])
def test_a_class_a_residue_in_any_spelling(raw: object) -> None:
    assert STATES.read(raw, 4).tolist() == [2, 2, 1, 0]
    assert STATES.read(raw, 4).dtype == np.int64


def test_a_mask_leaves_residues_without_label() -> None:
    assert STATES.read("HHEC", 4, "0110").tolist() == [-100, 2, 1, -100]
    assert STATES.read("H.EC", 4, [1, 0, 1, 1]).tolist() == [2, -100, 1, 0]
    assert STATES.read(["H", None, "E", "C"], 4).tolist() == [2, -100, 1, 0]


def test_a_number_a_residue() -> None:
    found = VALUES.read("0.5;0.25;-1", 3, "110")
    assert found.dtype == np.float32
    assert found[:2].tolist() == [0.5, 0.25]
    assert math.isnan(found[2])
    assert math.isnan(VALUES.read([1.0, None, float("nan")], 3)[1])


@pytest.mark.parametrize(
    ("raw", "length", "mask", "said"),
    [
        ("HHE", 4, None, "3 labels for 4 residues"),
        ("HHEX", 4, None, "'X' is no number, and no class name"),
        ("HHEC", 4, "011", "the mask has 3 places, the sequence 4"),
        ("HHEC", 4, "0112", "something else than 0 and 1"),
        (7, 1, None, "no labels of residues"),
    ],
)
def test_what_is_no_label_of_residues(raw: object, length: int, mask: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        STATES.read(raw, length, mask)


@given(st.lists(st.booleans(), max_size=40))
def test_masks_come_back(places: list[bool]) -> None:
    text = "".join(str(int(place)) for place in places)
    found = parse_mask(text, len(places))
    assert found is not None
    assert found.tolist() == places


@pytest.mark.parametrize(("raw", "name"), [("1.0", "1"), (2, "2"), (" a b ", "a b"), (0.5, "0.5")])
def test_names_of_classes(raw: object, name: str) -> None:
    assert class_name(raw) == name


@pytest.mark.parametrize("raw", ["[1, 0, 1]", [1, 0, 1], "1,0,1", "1.0;0.0;1.0"])
def test_a_row_of_zeros_and_ones_is_no_list_of_classes(raw: object) -> None:
    """It would give every protein classes 0 and 1, without a word."""
    reader = LabelReader(Problem.MULTI_LABEL, ("a", "b", "c"))
    with pytest.raises(InputError, match=r"classes instead: 0, 2"):
        reader.read(raw)
    assert reader.read("1,0") == (0, 1)


def test_where_numbers_are_names_a_number_is_one_of_them() -> None:
    """Conservation of FLIP is called 1 to 9: no class is counted from 0."""
    scores = LabelReader(Problem.SINGLE_LABEL, tuple("123456789"))
    assert [scores.read(raw) for raw in ("1", 9, "2.0")] == [0, 8, 1]
    for raw in (0, "10", 1.5):
        with pytest.raises(InputError, match=r"is no class \(classes: 1, 2, .*8, \.\.\.\)"):
            scores.read(raw)
    mixed = LabelReader(Problem.SINGLE_LABEL, ("1", "other"))
    assert [mixed.read(raw) for raw in (0, "1", "other", "0")] == [0, 0, 1, 0]
    with pytest.raises(InputError, match="label 2 is out of range"):
        mixed.read(2)


def test_a_list_of_one_is_its_value_but_for_sets() -> None:
    assert BINARY.read(["soluble"]) == 1
    assert LabelReader(Problem.REGRESSION, ("x",)).read([0.5]) == 0.5
    assert MANY.read([18]) == (18,)
    assert LabelReader(Problem.MULTI_LABEL, ("a, b", "c")).read(["a, b"]) == (0,)
    with pytest.raises(InputError):
        BINARY.read([0, 1])


@pytest.mark.parametrize(
    ("raw", "told"),
    [(None, "no label"), ("NA", "no label"), ("0,5", "'0,5' is no number"),
     ("inf", "is no number"), (float("inf"), "no finite number"), (True, "is no number")],
)  # fmt: skip
def test_what_is_no_quantity(raw: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        LabelReader(Problem.REGRESSION, ("x",)).read(raw)
    with pytest.raises(InputError, match=told):
        VALUES.read([raw], 1, "1")


def test_a_mask_decides_against_what_looks_missing() -> None:
    """A state called N or a dash is a label where the mask says that there is one."""
    reader = LabelReader(Problem.RESIDUE_SINGLE_LABEL, ("-", "na"))
    assert reader.read(["na", "-", "na"], 3).tolist() == [-100, 0, -100]
    assert reader.read(["na", "-", "na"], 3, "101").tolist() == [1, -100, 1]


@pytest.mark.parametrize(
    ("raw", "words"),
    [("a, b;c", ["a", "b", "c"]), (["a ", "'b'", None, "NA"], ["a", "b"]), (3, [3]), ("[a]", ["a"]),
     ((1, 2), [1, 2]), ("", [])],
)  # fmt: skip
def test_several_labels_are_taken_apart(raw: object, words: list[object]) -> None:
    assert label_words(raw) == words


def test_labels_of_residues_are_taken_apart() -> None:
    assert residue_words("H E") == ["H", " ", "E"]
    assert residue_words("[0.5; 1,2]") == ["0.5", " 1", "2"]
    assert residue_words((1, None)) == [1, None]
    assert STATES.read("CEH", 3, [True, "0", 1.0]).tolist() == [0, -100, 2]
    assert parse_mask(1, 1) == np.array([True])
    assert parse_mask(None, 3) is None
    with pytest.raises(InputError, match="a label is blank"):
        class_name(" ")


def test_many_zeros_and_ones_name_the_classes_they_mean() -> None:
    with pytest.raises(InputError, match=r"3 times 0 or 1.*instead: an empty list"):
        MANY.read([0, 0, 0])
    assert MANY.read([0, 1, 2]) == (0, 1, 2)
