from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.alphabets import AMINO_ACIDS
from sesstore.errors import InputError
from sesstore.proteins import Protein, digest_of, normalise

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
