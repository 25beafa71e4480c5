from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.alphabets import ALPHABETS, DSSP, FOLDSEEK, MASK_LETTER, Alphabet, alphabet
from sesstore.errors import InputError, UnknownNameError


@pytest.mark.parametrize("one", ALPHABETS.values(), ids=str)
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
