"""What a declared alphabet takes, what it reads of other tools, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sesstore.alphabets import (
    ALPHABETS,
    DSSP,
    ESM3,
    FOLDSEEK,
    SS3,
    Alphabet,
    Reduction,
    alphabet,
    declare,
    in_order,
)
from sesstore.errors import InputError

BIG = Alphabet("big", codes=300, aliases={"400": "#", "500": "7"}, ends=(401, 402))
BENDS = Alphabet("bends", "SO", of=Reduction("dssp", {"S": "ST", "O": "L"}))


def test_what_other_tools_write_becomes_the_states_it_stands_for() -> None:
    contact = Alphabet("contact", "LMH", {"X": "#", "l": "L"})
    assert contact.encode("lLMHX#").tolist() == [0, 0, 1, 2, 3, 3]
    assert BIG.from_numbers(np.array([0, 400, 500, 299, 300])).tolist() == [0, 300, 7, 299, 300]
    assert FOLDSEEK.from_numbers(np.array([0, 19, 20])).tolist() == [0, 19, 20]


def test_ends_are_dropped_as_a_pair_and_around_every_row() -> None:
    assert BIG.from_numbers(np.array([[401, 3, 402], [401, 400, 402]])).tolist() == [[3], [300]]
    for numbers in ([401, 0], [0, 402], [402, 0, 401], [[401, 1, 402], [401, 1, 2]], [401]):
        with pytest.raises(InputError, match=r"code 40[12] at position"):
            BIG.from_numbers(np.array(numbers))


@pytest.mark.parametrize(
    ("codes", "dtype"), [(254, "|u1"), (255, "<u2"), (256, "<u2"), (65534, "<u2")]
)
def test_codes_take_two_bytes_where_the_mask_needs_them(codes: int, dtype: str) -> None:
    numbered = Alphabet("x", codes=codes)
    assert (numbered.mask, numbered.size, numbered.dtype.str) == (codes, codes + 1, dtype)
    kept = numbered.checked([0, codes])
    assert (kept.tolist(), kept.dtype) == ([0, codes], numbered.dtype)


def test_a_code_beyond_the_mask_is_named_with_its_place_in_the_row() -> None:
    with pytest.raises(InputError, match=r"code 9 at position 3 .*\(0 to 7, 8 for masked\)"):
        DSSP.checked([[0, 1, 2], [0, 8, 9]])
    with pytest.raises(InputError, match="letter '\u03b1' at position 2"):
        DSSP.encode("H\u03b1")
    with pytest.raises(InputError, match="no letters"):
        ESM3.decode(np.array([1], np.uint8))


def test_what_no_group_names_is_masked_in_every_conformer() -> None:
    codes = np.stack([DSSP.encode("STLHB#"), DSSP.encode("LLS#GI")])
    reduced = BENDS.reduced(codes)
    assert [BENDS.decode(row) for row in reduced] == ["SSO###", "OOS###"]
    assert reduced.dtype == np.uint8


def test_tokens_mean_the_same_by_states_and_origin_not_by_what_is_read() -> None:
    assert BIG.same_codes(Alphabet("big", codes=300))
    for peer in (
        replace(BENDS, name="other"),
        replace(BENDS, of=None),
        replace(BENDS, of=Reduction("dssp", {"S": "S", "O": "TL"})),
        Alphabet("bends", "OS", of=BENDS.of),
    ):
        assert not BENDS.same_codes(peer)
    assert not BIG.same_codes(replace(BIG, codes=301))


LETTERS, NUMBERS = {"name": "x", "letters": "AB"}, {"name": "x", "codes": 5}
DSSP_GROUPS = {"A": "H", "B": "E"}


@pytest.mark.parametrize(
    "value",
    [
        {**LETTERS, "name": "a" * 32},
        {"name": "x", "codes": 1},
        {"name": "x", "codes": 65534},
        {"name": "x", "letters": "!~"},
        {**LETTERS, "aliases": {"x": "#", " ": "A", "é": "B"}},
        {**NUMBERS, "aliases": {"6": "5", "7": "#"}, "ends": [6, 7]},
        {**LETTERS, "of": {"alphabet": "dssp", "groups": DSSP_GROUPS}},
    ],
    ids=str,
)
def test_the_outermost_alphabets_that_are_possible(value: dict[str, Any]) -> None:
    assert Alphabet.from_json(value).name == value["name"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({**LETTERS, "name": "a" * 33}, "32 at most"),
        ({**LETTERS, "name": "1a"}, "32 at most"),
        ({**LETTERS, "name": "PLDDT"}, "is none of"),
        ({**LETTERS, "name": "none"}, "is none of"),
        ({"name": "x", "codes": -1}, "65,534 codes"),
        ({"name": "x", "letters": "A B"}, "printable"),
        ({"name": "x", "letters": "Aé"}, "printable"),
        ({"name": "x", "letters": ["A"]}, "are text"),
        ({**LETTERS, "aliases": {"xx": "A"}}, "'xx' cannot stand for 'A'"),
        ({**LETTERS, "aliases": {"x": "AB"}}, "'x' cannot stand for 'AB'"),
        ({**LETTERS, "aliases": {"#": "A"}}, "'#' cannot stand"),
        ({**LETTERS, "aliases": {"\u03b1": "A"}}, "'\u03b1' cannot stand"),
        ({**NUMBERS, "aliases": {"7": "6"}}, "'7' cannot stand for '6'"),
        ({**NUMBERS, "aliases": {"x": "1"}}, "'x' cannot stand"),
        ({**NUMBERS, "ends": [5, 9]}, "beyond the mask, 5"),
        ({**NUMBERS, "ends": [9, 5]}, "beyond the mask, 5"),
        ({**NUMBERS, "ends": [6, 7, 8]}, "two numbers"),
        ({**NUMBERS, "ends": [6.5, 7]}, "two numbers"),
        ({**LETTERS, "of": {"alphabet": "dssp", "groups": {"A": "H", "B": "Z"}}}, "other letters"),
        ({**LETTERS, "of": {"alphabet": "dssp", "groups": {**DSSP_GROUPS, "C": "L"}}}, "one group"),
        ({**NUMBERS, "of": {"alphabet": "dssp", "groups": {"A": "H"}}}, "one group"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_declaration_is_said(value: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        Alphabet.from_json(value)


def test_a_built_in_alphabet_stays_itself_and_the_latest_declaration_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sesstore.alphabets.ALPHABETS", dict(ALPHABETS))
    declare(replace(DSSP, aliases={"Q": "H"}), "a.toml")
    assert alphabet("dssp") is DSSP
    declare(BENDS, "b.toml")
    with pytest.raises(InputError, match=r"c\.toml .*'bends'.*\(SO; known: SO from dssp\)"):
        declare(replace(BENDS, of=None), "c.toml")
    assert alphabet("bends") is BENDS


def test_built_in_alphabets_come_first_and_once() -> None:
    names = ["z", "esm3", "dssp", "a", "ss3", "foldseek", "dssp"]
    assert in_order(names) == ("foldseek", "dssp", "ss3", "esm3", "a", "z")


def test_the_states_stores_are_written_in_never_change_places() -> None:
    """Codes on disk are places among these letters."""
    assert FOLDSEEK.letters == "ACDEFGHIKLMNPQRSTVWY"
    assert DSSP.letters == "HBEGITSL"
    assert SS3.letters == "HEC"
    assert (ESM3.mask, ESM3.ends) == (4096, (4098, 4097))
    assert FOLDSEEK.encode("X#").tolist() == [20, 20]
    assert DSSP.encode("XP -C").tolist() == [8, 7, 7, 7, 7]
    assert SS3.encode("XL- ").tolist() == [3, 2, 2, 2]
