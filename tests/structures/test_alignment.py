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


REPEAT = "KVFGRCELAAAMKRHGLDNYGSGSGSGSGSGSGSGSGSGSRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQINS"
HOLE = [*range(23), *range(31, 80)]


def holed(changes: dict[int, str] | None = None, offset: int = 1) -> Chain:
    """The repeat without its residues 24 to 31, mutated by place."""
    letters = list(REPEAT)
    for row, letter in (changes or {}).items():
        letters[row] = letter
    return chain("".join(letters[row] for row in HOLE), [row + offset for row in HOLE])


@pytest.mark.parametrize("offset", [1, 101, -40])
@pytest.mark.parametrize(
    "changes",
    [{}, {58: "W"}, {33: "D", 35: "D"}, {0: "A", 79: "A"}, {22: "A", 31: "P", 50: "K", 60: "D"},
     {58: "X", 22: "X", 31: "X"}, dict.fromkeys(range(60, 67), "W")],
)  # fmt: skip
def test_numbers_that_fit_but_for_mutations_go_before_an_alignment(
    changes: dict[int, str], offset: int
) -> None:
    expected = np.full(80, -1)
    expected[HOLE] = np.arange(72)
    placed = place(holed(changes, offset), REPEAT, "it")
    np.testing.assert_array_equal(placed, expected)


def test_numbers_that_slip_do_not_decide() -> None:
    """The last five are one too high: an alignment knows better."""
    numbers = [n + (n >= 76) for n in range(1, 81)]
    placed = place(chain(REPEAT, numbers), REPEAT + "W", "it")
    np.testing.assert_array_equal(placed[:80], np.arange(80))


def test_numbers_of_another_protein_do_not_decide() -> None:
    """They fit no better than chance."""
    other = REPEAT[::-1]
    with pytest.raises(StructureError, match="is not the protein it should be"):
        place(chain(other, list(range(1, 81))), REPEAT, "it")


def test_tags_outside_of_the_sequence_are_left_out() -> None:
    placed = place(chain("GSHM" + REPEAT, [*range(-3, 81)]), REPEAT, "it")
    np.testing.assert_array_equal(placed, np.arange(4, 84))
    mutant = "GSHM" + REPEAT.replace("W", "D")
    np.testing.assert_array_equal(place(chain(mutant, [*range(-3, 81)]), REPEAT, "it"), placed)


def test_a_stated_sequence_with_mutations_says_where_residues_are() -> None:
    stated = list(REPEAT)
    stated[58], stated[33] = "W", "D"
    sequence = "".join(stated)
    residues = "".join(sequence[row] for row in HOLE)
    expected = np.full(80, -1)
    expected[HOLE] = np.arange(72)
    by_file = chain(residues, [*range(500, 572)], sequence, HOLE)
    np.testing.assert_array_equal(place(by_file, REPEAT, "it"), expected)
    tagged = chain(residues, [*range(500, 572)], f"MGSH{sequence}LE", [row + 4 for row in HOLE])
    np.testing.assert_array_equal(place(tagged, REPEAT, "it"), expected)


def test_seqres_says_where_residues_are_that_fit_no_number() -> None:
    """A deletion against the given sequence, beside a hole that only the full sequence shows."""
    sequence = REPEAT[:50] + REPEAT[53:]
    rows = [*range(23), *range(31, 77)]
    seqres = chain("".join(sequence[row] for row in rows), [row + 1 for row in rows], sequence)
    placed = place(seqres, REPEAT, "it")
    np.testing.assert_array_equal(placed[31:50], np.arange(23, 42))
    assert (placed[23:31] == -1).all()
    np.testing.assert_array_equal(placed[53:], np.arange(42, 69))


def test_insertion_codes_and_numbers_that_fall_are_no_places() -> None:
    """Each fits its letters by number, and would be torn apart or put on another's place."""
    sequence = "MKGGGGLL"
    torn = chain("MKGGLL", [1, 2, 3, 6, 7, 8])
    assert place(torn, sequence, "it").tolist() == [0, 1, 2, -1, -1, 3, 4, 5]
    torn.insertions[2] = "A"
    assert place(torn, sequence, "it").tolist() != [0, 1, 2, -1, -1, 3, 4, 5]
    twice = place(chain("MKGGLL", [1, 2, 3, 3, 7, 8]), sequence, "it")
    assert twice[twice >= 0].tolist() == [0, 1, 2, 3, 4, 5]
    falling = place(chain("MKGGLL", [1, 2, 4, 3, 7, 8]), sequence, "it")
    assert falling[falling >= 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_the_bounds_of_what_is_one_protein() -> None:
    """Nine in ten of the placed residues, and half of the shorter one."""
    sequence = "MKVLAAGIVGLCWQERTYPSDFHNMKVLWE"
    mutated = sequence[:9] + "WWW" + sequence[12:]
    assert (place(chain(mutated), sequence, "it") >= 0).all()
    with pytest.raises(StructureError, match="26 of 30 aligned residues agree"):
        place(chain(sequence[:9] + "PPPP" + sequence[13:]), sequence, "it")
    stated = sequence + "G" * 30
    for begin, enough in ((15, True), (16, False)):
        rows = list(range(begin, begin + 30))
        tail = chain("".join(stated[row] for row in rows), rows, stated, rows)
        if enough:
            assert (place(tail, sequence, "it") >= 0).sum() == 15
        else:
            with pytest.raises(StructureError, match="14 of 14 aligned residues agree"):
                place(tail, sequence, "it")


def test_unknown_residues_agree_with_any_letter_but_not_all_of_them() -> None:
    sequence = "MKVLAAGIVGLCWQERTYPSDFHNMKVLWE"
    unknown = "X" * 10 + sequence[10:]
    assert place(chain(unknown), sequence, "it").tolist() == list(range(30))
    with pytest.raises(StructureError, match="is not the protein"):
        place(chain("X" * 30), sequence, "it")
    assert place(chain("X" * 30), "X" * 30, "it").tolist() == list(range(30))


@given(st.text(STANDARD, min_size=40, max_size=80), st.data())
def test_a_mutant_with_holes_comes_back_by_its_numbers(sequence: str, data: st.DataObject) -> None:
    size = len(sequence)
    lost = data.draw(st.sets(st.integers(0, size - 1), max_size=size // 4))
    rows = [row for row in range(size) if row not in lost]
    mutated = data.draw(st.sets(st.sampled_from(rows), max_size=len(rows) // 20))
    letters = [("A" if letter == "W" else "W") if row in mutated else letter
               for row, letter in enumerate(sequence)]  # fmt: skip
    mutant = chain("".join(letters[row] for row in rows), [row + 1 for row in rows])
    expected = np.full(size, -1)
    expected[rows] = np.arange(len(rows))
    np.testing.assert_array_equal(place(mutant, sequence, "it"), expected)


@pytest.mark.parametrize(("count", "shown"), [(60, 60), (61, 57)])
def test_long_sequences_are_shown_from_their_start(count: int, shown: int) -> None:
    with pytest.raises(StructureError) as raised:
        place(chain("W" * count), "D" * 30, "it")
    line = str(raised.value).split("structure: ")[1].split("\n")[0]
    assert line == "W" * shown + ("..." if count > 60 else "")


def test_where_numbers_end_with_the_sequence() -> None:
    """The last residue may stand on the last letter, and no further."""
    sequence = "MKVLAAGIVGLCWQERTYPSDFHNMKVLWE"
    for shift in (0, 1, 5):
        tail = chain(sequence[-5:], [len(sequence) - 4 + shift + n for n in range(5)])
        placed = place(tail, sequence[-8:], "it")
        assert placed.tolist() == [-1, -1, -1, 0, 1, 2, 3, 4]
    head = chain(sequence[:5], [101, 102, 103, 104, 105])
    assert place(head, sequence[:8], "it").tolist() == [0, 1, 2, 3, 4, -1, -1, -1]


def test_a_stated_sequence_of_another_protein_does_not_decide() -> None:
    """It fits in fewer than nine in ten of its letters: numbers are asked then."""
    sequence = REPEAT[:40]
    numbers = [*range(11, 41)]
    unlike = chain(REPEAT[10:40], numbers, "W" * 40, [*range(30)])
    assert place(unlike, sequence, "it").tolist() == [-1] * 10 + [*range(30)]


@pytest.mark.parametrize("letter", "UOJ")
def test_letters_that_no_matrix_has_are_aligned(letter: str) -> None:
    sequence = f"{REPEAT[:20]}{letter}{REPEAT[50:]}"
    torn = chain(sequence)
    torn.insertions[5] = "A"  # so that numbers say nothing
    assert place(torn, f"GS{sequence}", "it").tolist() == [-1, -1, *range(len(sequence))]
