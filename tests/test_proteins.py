from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.alphabets import AMINO_ACIDS
from sesstore.errors import InputError
from sesstore.proteins import LetterError, Protein, checked_id, digest_of, normalise

sequences = st.text(alphabet=AMINO_ACIDS.letters, min_size=1, max_size=60)


def test_digest_is_sha256_of_the_normalised_sequence() -> None:
    protein = Protein.parse(" P1 ", "mk t\nAy*")
    assert protein.sequence == "MKTAY"
    assert protein.id == "P1"
    assert protein.digest == hashlib.sha256(b"MKTAY").digest()
    assert len(protein) == 5


@given(sequences, st.integers(0, 60))
def test_case_white_space_and_a_stop_change_nothing(sequence: str, cut: int) -> None:
    written = sequence[:cut].lower() + " \n\t" + sequence[cut:] + "*"
    assert normalise(written) == sequence
    assert Protein.parse("x", written).digest == digest_of(sequence)


@given(st.text())
def test_any_text_is_normalised_or_refused(text: str) -> None:
    try:
        kept = normalise(text)
    except InputError:
        return
    assert set(kept) <= set(AMINO_ACIDS.letters)
    assert normalise(kept) == kept


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "empty"),
        (" \n*", "empty"),
        ("MK-T", r"letter '-' at position 3"),
        ("MK*T", r"letter '\*' at position 3"),
        ("MKT**", r"letter '\*' at position 4"),
        ("MK\u00e9", "position 3"),
    ],
)
def test_what_is_no_sequence_is_refused_with_the_place(written: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        normalise(written)


@pytest.mark.parametrize("written", ["MdEvVp", "M#EvVp", "MdEvVpL#", "#d#v#p"])
def test_amino_acids_and_3di_by_turns_are_no_sequence(written: str) -> None:
    with pytest.raises(InputError, match=r"as SaProt writes them.*--import saprot"):
        normalise(written)


@pytest.mark.parametrize("written", ["MdEv", "MdEvV", "mdevvp", "Mkta", "MKtAyI"])
def test_small_letters_alone_are_a_sequence(written: str) -> None:
    assert normalise(written) == written.upper()


@pytest.mark.parametrize(
    ("written", "letter", "place", "advice"),
    [
        ("mk t-a", "-", 3, "gaps of the alignment"),
        ("MK.T", ".", 2, "gaps of the alignment"),
        ("MK*T", "*", 2, "A stop within"),
        ("MKT 61 AYI", "6", 3, "GenBank"),
        ("MK#T", "#", 2, "A masked residue"),
        ("mk@", "@", 2, "with X if the residue is unknown"),
        ("mk\u0131", "\u0131", 2, "with X"),  # no I, though its capital is one
        ("M\u017f", "\u017f", 1, "with X"),  # no S
        ("Mß-", "ß", 1, "with X"),
    ],
)
def test_a_letter_that_is_none_is_named_with_its_place_and_what_to_do(
    written: str, letter: str, place: int, advice: str
) -> None:
    with pytest.raises(LetterError, match=f"position {place + 1} .*{advice}") as refused:
        normalise(written)
    assert (refused.value.letter, refused.value.place) == (letter, place)


def test_a_letter_that_does_not_print_is_named_by_its_number() -> None:
    with pytest.raises(LetterError, match=r"letter 'U\+200B' at position 2"):
        normalise("M\u200bK")


@pytest.mark.parametrize("control", ["\t", "\n", "\r", "\0", "\x1f", "\x7f", "\x85", "\ud800"])
def test_ids_hold_no_control_characters(control: str) -> None:
    with pytest.raises(InputError, match=f"U\\+{ord(control):04X}"):
        Protein.parse(f"a{control}b", "MKT")
    assert checked_id(" a b\n") == "a b"
    assert checked_id("é ~ \xa0 中") == "é ~ \xa0 中"
