from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.alphabets import (
    ALPHABETS,
    DSSP,
    ESM3,
    FOLDSEEK,
    MASK_LETTER,
    SS3,
    Alphabet,
    alphabet,
    declare,
    in_order,
)
from sesstore.errors import InputError, UnknownNameError

LETTERED = [one for one in ALPHABETS.values() if one.letters]


@pytest.mark.parametrize("one", LETTERED, ids=lambda one: one.name)
def test_every_letter_and_the_mask_round_trip(one: Alphabet) -> None:
    text = one.letters + MASK_LETTER
    codes = one.encode(text)
    assert codes.dtype == np.uint8
    assert codes.tolist() == list(range(one.size))
    assert one.decode(codes) == text


@given(st.text(alphabet=FOLDSEEK.letters + MASK_LETTER))
def test_decode_inverts_encode(text: str) -> None:
    assert FOLDSEEK.decode(FOLDSEEK.encode(text)) == text


def test_dssp_4_writes_kappa_helix_and_blank_for_what_we_call_loop() -> None:
    assert DSSP.decode(DSSP.encode("HP -C")) == "HLLLL"


def test_a_wrong_letter_is_named_with_its_place() -> None:
    with pytest.raises(InputError, match=r"letter 'Z' at position 3 is not in alphabet dssp"):
        DSSP.encode("HHZ")


@given(st.text(min_size=1))
def test_any_text_is_encoded_or_refused(text: str) -> None:
    try:
        assert len(DSSP.encode(text)) == len(text)
    except InputError:
        assert not set(text) <= set(DSSP.letters)


def test_a_code_beyond_the_mask_is_refused() -> None:
    with pytest.raises(InputError, match="21"):
        FOLDSEEK.decode(np.array([21], np.uint8))


def test_lookup_suggests() -> None:
    assert alphabet("dssp") is DSSP
    with pytest.raises(UnknownNameError, match="Did you mean 'foldseek'"):
        alphabet("foldsek")


@pytest.mark.parametrize("letters", ["AAB", "AB#", ""])
def test_letters_must_make_an_alphabet(letters: str) -> None:
    with pytest.raises(InputError):
        Alphabet("odd", letters)


def test_numbers_beyond_letters_take_two_bytes_and_lose_their_ends() -> None:
    codes = ESM3.from_numbers(np.array([[4098, 0, 4095, 4096, 4097], [4098, 7, 7, 7, 4097]]))
    assert (codes.dtype, codes.tolist()) == (np.uint16, [[0, 4095, 4096], [7, 7, 7]])
    with pytest.raises(InputError, match="code 4100 at position 2 is not in the esm3 alphabet"):
        ESM3.from_numbers(np.array([1, 4100, 2]))
    with pytest.raises(InputError, match="-1 at position 1"):
        FOLDSEEK.from_numbers(np.array([-1]))
    with pytest.raises(InputError, match="no letters"):
        ESM3.encode("A")


def test_three_states_follow_from_eight() -> None:
    assert SS3.decode(SS3.reduced(DSSP.encode("HGIEBTSL#"))) == "HHHEECCC#"
    with pytest.raises(InputError, match="does not follow"):
        DSSP.reduced(DSSP.encode("H"))


DECLARED = [
    {"name": "contact", "letters": "LMH", "aliases": {"X": "#", "l": "L"}},
    {"name": "big", "codes": 300, "aliases": {"400": "#"}, "ends": [401, 402]},
    {"name": "bends", "letters": "SO", "of": {"alphabet": "dssp", "groups": {"S": "ST", "O": "L"}}},
]


@pytest.mark.parametrize("value", DECLARED, ids=lambda value: value["name"])
def test_a_declaration_is_plain_values_and_back(value: dict[str, object]) -> None:
    one = Alphabet.from_json(value)
    assert Alphabet.from_json(one.to_json()) == one
    assert one.same_codes(Alphabet.from_json({**value, "aliases": {}}))


@pytest.mark.parametrize(
    "value",
    [
        {"name": "x"},
        {"name": "x", "letters": "AB", "codes": 2},
        {"name": "x", "codes": 65535},
        {"name": "x", "codes": True},
        {"name": "../x", "letters": "AB"},
        {"name": "plddt", "letters": "AB"},
        {"name": "x", "letters": "AB", "aliases": {"Z": "Q"}},
        {"name": "x", "letters": "AB", "aliases": {"A": "B"}},
        {"name": "x", "codes": 5, "aliases": {"-1": "#"}},
        {"name": "x", "codes": 5, "ends": [3, 9]},
        {"name": "x", "letters": "AB", "of": {"alphabet": "ss3", "groups": {"A": "H", "B": "E"}}},
        {"name": "x", "letters": "AB", "of": {"alphabet": "dssp", "groups": {"A": "H", "B": "H"}}},
        {"name": "x", "letters": "AB", "of": {"alphabet": "dssp", "groups": {"A": "HE"}}},
        {"name": "x", "letters": "AB", "mask": 7},
        {"letters": "AB"},
        ["x"],
        None,
    ],
    ids=str,
)
def test_what_declares_no_alphabet_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        Alphabet.from_json(value)


def test_a_name_has_one_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(ALPHABETS)
    monkeypatch.setattr("sesstore.alphabets.ALPHABETS", known)
    declare(Alphabet("mine", "AB"), "one.toml")
    declare(Alphabet("mine", "AB", {"x": "A"}), "two.toml")
    assert alphabet("mine").aliases == {"x": "A"}
    with pytest.raises(InputError, match=r"three.toml declares an alphabet 'mine' with other stat"):
        declare(Alphabet("mine", "BA"), "three.toml")
    with pytest.raises(InputError, match="'dssp' with other states"):
        declare(Alphabet("dssp", "HE"), "four.toml")
    assert alphabet("dssp") is DSSP


def test_adapters_attend_in_one_order() -> None:
    assert in_order(["b", "dssp", "a", "foldseek"]) == ("foldseek", "dssp", "a", "b")
