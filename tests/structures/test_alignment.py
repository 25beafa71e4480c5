"""Residues on sequences: gaps, tags, other numbering, other proteins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.alphabets import AMINO_ACIDS
from sesstore.errors import StructureError
from sesstore.structures.alignment import place
from sesstore.structures.chains import Chain, read_structure

STANDARD = AMINO_ACIDS.letters[:20]


def chain(
    residues: str,
    numbers: list[int] | None = None,
    sequence: str | None = None,
    positions: list[int] | None = None,
) -> Chain:
    length = len(residues)
    return Chain(
        id="A",
        residues=residues,
        numbers=np.arange(length) + 1 if numbers is None else np.array(numbers),
        insertions=np.full(length, ""),
        backbone=np.zeros((1, length, 5, 3), np.float32),
        bfactors=np.zeros(length, np.float32),
        sequence=sequence,
        positions=None if positions is None else np.array(positions),
    )


def test_numbering_places_a_gap_where_letters_could_not() -> None:
    found = place(chain("MKGGLL", [1, 2, 3, 6, 7, 8]), "MKGGGGLL", "it")
    assert found.tolist() == [0, 1, 2, -1, -1, 3, 4, 5]


def test_an_offset_of_the_numbers_does_not_matter() -> None:
    found = place(chain("KVFG", [101, 102, 104, 105]), "AAKVAFGA", "it")
    assert found.tolist() == [-1, -1, 0, 1, -1, 2, 3, -1]


def test_what_the_file_states_wins_over_numbers() -> None:
    stated = chain("MKGGLL", [1, 2, 3, 4, 5, 6], "MKGGGGLL", [0, 1, 4, 5, 6, 7])
    assert place(stated, "MKGGGGLL", "it").tolist() == [0, 1, -1, -1, 2, 3, 4, 5]


def test_a_sequence_inside_a_tagged_construct() -> None:
    stated = chain("HHMKVL", None, "HHHHMKVL", [2, 3, 4, 5, 6, 7])
    assert place(stated, "MKVL", "it").tolist() == [2, 3, 4, 5]
    assert place(stated, "AHHHHMKVLA", "it").tolist() == [-1, -1, -1, 0, 1, 2, 3, 4, 5, -1]


def test_point_mutations_are_aligned() -> None:
    sequence = "MKVLAAGIVGLCWQERTYPSDF"
    found = place(chain(sequence.replace("C", "S", 1)), sequence, "it")
    assert found.tolist() == list(range(len(sequence)))


def test_another_protein_is_an_error_that_shows_both() -> None:
    with pytest.raises(StructureError, match="MKVLAAGIVG") as raised:
        place(chain("MKVLAAGIVGLC"), "WWPPDDHHFFYYRR", "x.pdb chain A")
    assert "x.pdb chain A" in str(raised.value)
    assert "WWPPDDHHFFYYRR" in str(raised.value)


def test_insertion_codes_of_a_real_chain(shared_structures: Path) -> None:
    heavy = read_structure(shared_structures / "1igy.cif").chains[1]
    assert heavy.sequence is not None
    found = place(heavy, heavy.sequence, "it")
    assert (found >= 0).sum() == len(heavy)


@given(st.text(STANDARD, min_size=12, max_size=60), st.data())
def test_a_chain_with_holes_comes_back_by_its_numbers(sequence: str, data: st.DataObject) -> None:
    rows = sorted(data.draw(st.sets(st.integers(0, len(sequence) - 1), min_size=8)))
    holed = chain("".join(sequence[row] for row in rows), [row + 1 for row in rows])
    expected = np.full(len(sequence), -1)
    expected[rows] = np.arange(len(rows))
    np.testing.assert_array_equal(place(holed, sequence, "it"), expected)


def test_long_chains_are_aligned_between_their_equal_ends() -> None:
    sequence = "".join(np.random.default_rng(1).choice(list(STANDARD), 9000))
    residues = sequence[:4000] + "W" + sequence[4001:4300] + sequence[4310:]
    found = place(chain(residues), sequence, "it")
    expected = np.r_[np.arange(4300), np.full(10, -1), np.arange(4300, 8990)]
    # Where a hole ends is open if the letters beside it are alike.
    assert (found != expected).sum() <= 4


def test_chains_too_long_to_align_are_said() -> None:
    rng = np.random.default_rng(2)
    one, two = ("".join(rng.choice(list(STANDARD), 9000)) for _ in range(2))
    with pytest.raises(StructureError, match="too many to align"):
        place(chain(one), two, "it")
