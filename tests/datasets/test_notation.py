"""What commas, blanks and brackets mean in a column of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.datasets.decimals import number_of
from sesstore.datasets.labels import class_name
from sesstore.datasets.notation import notation_of, parse_list
from sesstore.errors import InputError
from sesstore.tasks import Problem

REGRESSION, SINGLE, MULTI = Problem.REGRESSION, Problem.SINGLE_LABEL, Problem.MULTI_LABEL
ACT = "oxidoreductase activity, acting on CH-OH group of donors [GO:0016614]"


def read(labels: list[Any], problem: Problem | None = None, **facts: Any) -> list[Any]:
    notation = notation_of(labels, problem, **facts)
    return [notation.plain(label) for label in labels]


@pytest.mark.parametrize(
    ("labels", "problem", "values"),
    [
        (["40,0", "40,4", "38,25"], None, [40.0, 40.4, 38.25]),
        (["0,5", "0,73", "1,25"], REGRESSION, [0.5, 0.73, 1.25]),
        (["0,5", "0,07", "1,25"], None, [0.5, 0.07, 1.25]),
        (["-1,5", "2", "3,25"], REGRESSION, [-1.5, 2, 3.25]),
        (["1.234,5", "12,75"], REGRESSION, [1234.5, 12.75]),
        (["1,234.5", "1,000.25"], REGRESSION, [1234.5, 1000.25]),
        (["1,234,567", "2,345"], REGRESSION, [1234567, 2345]),
        (["1 234,5", "12 345,75", "1\u00a0000,5"], REGRESSION, [1234.5, 12345.75, 1000.5]),
        (["1'234.5", "12.5"], None, [1234.5, 12.5]),
        (["\u22125.5", "+3", " 1e-3 "], None, [-5.5, 3, 0.001]),
        (["0,123", "0,456"], REGRESSION, [0.123, 0.456]),
        (["1,5", "2,25"], SINGLE, [1.5, 2.25]),
        ([7, "2,25", 0.5], REGRESSION, [7, 2.25, 0.5]),
        ([7, "1,234.5", 0.5], REGRESSION, [7, 1234.5, 0.5]),
    ],
)
def test_numbers(labels: list[str], problem: Problem | None, values: list[float]) -> None:
    assert [number_of(value) for value in read(labels, problem)] == values


def test_a_table_with_semicolons_has_decimal_commas() -> None:
    assert read(["0,5", "1,25"], semicolons=True) == ["0.5", "1.25"]
    assert read(["1,2,3", "4"], semicolons=True) == [["1", "2", "3"], ["4"]]
    with pytest.raises(InputError, match="one for thousands"):
        read(["1,234", "2,345"], semicolons=True)


@pytest.mark.parametrize(
    ("labels", "problem", "said"),
    [
        (["0,5", "1,7"], None, "--task-type regression, or --task-type multi_label"),
        (["1,234", "2,345"], REGRESSION, "one for thousands. Write them"),
        (["1.5,3", "2,5.3", "1,2,3"], REGRESSION, "commas and points are mixed"),
        (["[0 0 ... 1 1]", "[1 1]"], None, r"was cut when it was printed"),
        (["[1, 2, ..., 3]"], None, "was cut"),
        (["[1, 2, \u2026, 3]"], None, "was cut"),
        (["1.5,3"], REGRESSION, "'1.5,3' are no numbers: commas and points"),
        (["1,2,34"], SINGLE, "commas and points are mixed"),
        (["[[1 0] [0 1]]"], None, "list of lists"),
        (["[[1, 0], [0, 1]]"], None, "list of lists"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(
    labels: list[str], problem: Problem | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read(labels, problem)


@pytest.mark.parametrize(
    ("labels", "problem", "lists"),
    [
        (["GO:1; GO:2", "GO:2"], None, [["GO:1", "GO:2"], ["GO:2"]]),
        (["GO:1;GO:2;", "GO:2;"], None, [["GO:1", "GO:2"], ["GO:2"]]),
        (["GO:1|GO:2", "GO:2"], None, [["GO:1", "GO:2"], ["GO:2"]]),
        (["GO:0001 GO:0002", "GO:2"], None, [["GO:0001", "GO:0002"], ["GO:2"]]),
        (["GO:1\nGO:2", "GO:2"], None, [["GO:1", "GO:2"], ["GO:2"]]),
        (["1 5 7", "5"], None, [["1", "5", "7"], ["5"]]),
        (["1.1.1.1 2.7.-.-", "3.1.1.1"], None, [["1.1.1.1", "2.7.-.-"], ["3.1.1.1"]]),
        (["18,117", "3,5,9", "2"], None, [["18", "117"], ["3", "5", "9"], ["2"]]),
        (["18,117", "2"], MULTI, [["18", "117"], ["2"]]),
        (["A, B", "A", "B", "B, C"], None, [["A", "B"], ["A"], ["B"], ["B", "C"]]),
        ([f"{ACT}; a [GO:1]", ACT], None, [[ACT, "a [GO:1]"], [ACT]]),
        ([f"{ACT}, a [GO:1]", ACT], MULTI, [[ACT, "a [GO:1]"], [ACT]]),
        ([f"{ACT}|a, b", "a, b"], None, [[ACT, "a, b"], ["a, b"]]),
        (["x, y; z", "w"], None, [["x, y", "z"], ["w"]]),
        (["0,5;0,25", "1;2"], None, [["0.5", "0.25"], ["1", "2"]]),
        (["ER lumen", "ER", "lumen"], MULTI, [["ER", "lumen"], ["ER"], ["lumen"]]),
        (["[]", "[1, 2]"], None, [[], [1, 2]]),
        (["['a, b', 'c']", '["d"]'], None, [["a, b", "c"], ["d"]]),
        (["{1, 2}", "{3}", "{2, 1}"], None, [[1, 2], "{3}", [1, 2]]),
        (["[0 1\n 2]", "[3]"], None, [["0", "1", "2"], [3]]),
        (["[0. 1.5 nan]", "[2.]"], None, [["0.", "1.5", "nan"], [2.0]]),
        (["tensor([0, 1])", "tensor([1], dtype=torch.int32)"], None, [[0, 1], [1]]),
        (["array([0, 1], dtype=int64)", "np.array([1])"], None, [[0, 1], [1]]),
        ([(1, 2), [3]], None, [[1, 2], [3]]),
        (["[1]", [2], (3,), 4, "x"], None, [[1], [2], [3], 4, "x"]),
        (["a;b", ";", "a;;b", 5], None, [["a", "b"], [], ["a", "", "b"], 5]),
        (["0,5;", "1,25;0,5", ";2"], None, [["0.5"], ["1.25", "0.5"], ["", "2"]]),
        (["1,5;x", "2"], None, [["1,5", "x"], ["2"]]),
        (["1.1,2.3", "2.3"], MULTI, [["1.1", "2.3"], ["2.3"]]),
        (["1,234", "5"], MULTI, [["1", "234"], ["5"]]),
        (["0,5", "1,2"], Problem.RESIDUE_REGRESSION, [["0", "5"], ["1", "2"]]),
        (["0,1,1", "1,1,0"], Problem.RESIDUE_SINGLE_LABEL, [["0", "1", "1"], ["1", "1", "0"]]),
        (["[a, b,, c]", "[d]"], None, [["a", "b", "c"], ["d"]]),
        (["[a; 'b c']", "[d e]"], None, [["a", "b c"], ["d", "e"]]),
        (["tensor([0, 1] , dtype=torch.int32)", "[2]"], None, [[0, 1], [2]]),
        (["array([1.5],\n      dtype=float32)", "[2]"], None, [[1.5], [2]]),
        (["(1, 2)", "[3]", "{3, 10, 2}"], None, [[1, 2], [3], [10, 2, 3]]),
        (["GO:1 GO:2", 7], None, [["GO:1", "GO:2"], 7]),
    ],
)  # fmt: skip
def test_lists(labels: list[Any], problem: Problem | None, lists: list[Any]) -> None:
    assert read(labels, problem) == lists


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([ACT, "1,4-alpha-glucan branching [GO:2]", ACT], None),
        (["acting on CH-OH, donors", "acting on CH-NH, donors"] * 3, None),
        (["a;b", "c|d"], SINGLE),
        (["Cell wall", "Cell membrane"], None),
        (["Lysosome/Vacuole", "ER"], None),
        (["(R)-lactate", "(S)-lactate, {x}"], None),
        (["HHEC", "EE"], None),
        (["Cell wall", "Cell membrane"], MULTI),
        (["GO:1 of x", "GO:2"], None),
        (["[x", "(1, y", "{z}"], None),
        ([1, 0.5, True, None], None),
    ],
)
def test_names_stay_whole(labels: list[Any], problem: Problem | None) -> None:
    assert read(labels, problem) == labels


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["True", "FALSE", "true"], ["True", "False", "True"]),
        ([True, 0, "1.0", "false"], ["1", "0", "1", "0"]),
        ([True, False], ["True", "False"]),
        ([" TRUE ", "0.0", "1"], ["1", "0", "1"]),
        (["true", "yes"], ["true", "yes"]),
        (["0", "1"], ["0", "1"]),
    ],
)
def test_truth_values_have_one_spelling(labels: list[Any], classes: list[str]) -> None:
    assert [class_name(label) for label in read(labels)] == classes


def test_blanks_of_dssp_are_coils() -> None:
    assert read([" HH T", "E  "], lengths=[5, 3]) == ["LHHLT", "ELL"]
    assert read(["HC T", "E  C"], lengths=[4, 4]) == ["HC T", "E  C"]
    assert read([" HH", "E"], lengths=[3, 5]) == [" HH", "E"]
    assert read(["HBEGITSP ", "E"], lengths=[9, 1]) == ["HBEGITSPL", "E"]
    assert read([" HH T"], lengths=[5]) == ["LHHLT"]
    assert read([" HH T"]) == [" HH T"]
    assert read([1, " H"], lengths=[1, 2]) == [1, " H"]
    assert read([" H", "E "], SINGLE, lengths=[2, 2]) == [" H", "E "]
    assert read([" H", "E "], Problem.RESIDUE_SINGLE_LABEL, lengths=[2, 2]) == ["LH", "EL"]


TRUTHS = "labels True, false, true are the classes False, True"


@pytest.mark.parametrize(
    ("labels", "problem", "notes"),
    [
        (["0,5", "1,25"], REGRESSION, ("labels have decimal commas",)),
        (["1,234.5"], REGRESSION, ("labels have commas for thousands",)),
        (["1.5", "2"], REGRESSION, ()),
        (["a;b"], None, ("labels are lists with semicolons between",)),
        (["a|b"], None, ("labels are lists with | between",)),
        (["1,2,3"], None, ("labels are lists with commas between",)),
        (["1.5;2", "3"], None, ("labels are lists with semicolons between",)),
        (["0,5;2"], None, ("labels are lists with semicolons between, and decimal commas",)),
        (["GO:1 GO:2"], None, ("labels are lists with blanks between",)),
        (["ER lumen", "ER", "lumen"], MULTI, ("labels are lists with blanks between",)),
        ([True, "false"], None, ()),
        (["true", "T", "f"], None, ()),
        (["true", "True"] * 2, None, ()),
        (["true", "True", "false"], None, (TRUTHS,)),
        (["true", "0", "1"], None, ("labels 0, 1, true are the classes 0, 1",)),
        (["ER", "lumen"], None, ()),
    ],
)  # fmt: skip
def test_what_was_decided_is_said(
    labels: list[Any], problem: Problem | None, notes: tuple[str, ...]
) -> None:
    assert notation_of(labels, problem).notes == notes
    assert notation_of([" H", "E "], None, [2, 2]).notes == ("blanks are DSSP's coil: class L",)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=70))
def test_what_numpy_and_python_print_comes_back(values: list[int]) -> None:
    array = np.asarray(values)
    for printed in (
        str(array),
        repr(array),
        str(values),
        str(tuple(values)) if values[1:] else "[]",
    ):
        if printed != "[]":
            assert [int(value) for value in parse_list(printed)] == values
    long = np.arange(2000)
    for printed in (str(long), repr(long)):
        with pytest.raises(InputError, match="was cut"):
            parse_list(printed)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6), st.sampled_from([None, *Problem]))
def test_any_text_is_read_or_refused(labels: list[str], problem: Problem | None) -> None:
    said = "read"
    try:
        read(labels, problem, lengths=[len(label) for label in labels])
    except InputError as refusal:
        said = str(refusal)
    assert said
