"""Which rows are kept together, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.datasets.groups import WILD_TYPE, group_rows, joined_rows, positions
from sesstore.errors import InputError

PARENT = "MKVLAAGIVGLCARTQWERT" * 3


def mutant(*changes: tuple[int, str]) -> str:
    letters = list(PARENT)
    for place, letter in changes:
        letters[place - 1] = letter
    return "".join(letters)


def test_rows_tied_by_any_key_are_together() -> None:
    of = joined_rows(["a", "a", "b", "c", "c"], [1, 2, 2, 3, 4])
    assert of.tolist() == [0, 0, 0, 1, 1]
    assert joined_rows([]).tolist() == []


def test_positions_are_those_that_differ_from_the_commonest_letters() -> None:
    variants = [mutant((n, "Y")) for n in (3, 3, 7, 9)]
    variants += [mutant((3, "D")), PARENT, mutant((7, "D"), (12, "Y")), mutant((12, "W"))]
    assert positions(variants) == ("3", "3", "7", "9", "3", WILD_TYPE, "7", "7")
    groups = group_rows(variants, "position")
    assert len(groups) == 4
    assert groups.kind == "position"
    assert "whole positions" in groups.method


def test_positions_need_one_protein() -> None:
    with pytest.raises(InputError, match=r"59 to 60 residues.*--split-by"):
        positions([PARENT, PARENT[1:]])
    rng = np.random.default_rng(0)
    others = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 60)) for _ in range(9)]
    with pytest.raises(InputError, match=r"differ at \d\d%.*--split-by"):
        positions(others)


def test_equal_sequences_are_together_however_rows_are_grouped() -> None:
    sequences = [PARENT, mutant((3, "Y")), PARENT, mutant((3, "D"))]
    for split_by, values in (("random", ()), ("family", ("a", "b", "c", "b")), ("position", ())):
        of = group_rows(sequences, split_by, values).of
        assert of[0] == of[2]
    assert group_rows(sequences, "family", ("a", "b", "c", "b")).of.tolist() == [0, 1, 0, 1]
    assert group_rows(sequences, "random").names == ()
    assert len(group_rows(sequences)) == 1
