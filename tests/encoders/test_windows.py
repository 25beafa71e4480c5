"""Windows cover every residue, and merging what was cut gives the protein back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.encoders.windows import OVERLAP, LostPieceError, cut, merge_windows, policy, starts
from sesstore.errors import InputError
from sesstore.proteins import Protein


@given(st.integers(1, 40_000), st.integers(2, 1500))
def test_windows_cover_and_overlap(length, window):
    places = starts(length, window, "windows")
    assert places[0] == 0
    assert places == sorted(set(places))
    if length > window:
        assert places[-1] == length - window
        overlap = min(OVERLAP, window // 2)
        assert all(b - a <= window - overlap for a, b in pairwise(places))


@given(st.integers(1, 3000), st.integers(4, 700))
def test_merging_equal_values_gives_them_back(length, window):
    protein = Protein("p", "A" * length)
    truth = np.random.default_rng(length).standard_normal((length, 3)).astype(np.float32)
    pieces = (
        (piece, truth[piece.start : piece.start + len(piece)].copy())
        for piece in cut(protein, window, "windows")
    )
    np.testing.assert_allclose(merge_windows(protein, pieces, window, "windows"), truth, atol=1e-5)


def test_the_crossfade_is_linear():
    protein = Protein("p", "A" * 15)
    values = iter([np.zeros((10, 1), np.float32), np.ones((10, 1), np.float32)])
    pieces = ((piece, next(values)) for piece in cut(protein, 10, "windows"))
    whole = merge_windows(protein, pieces, 10, "windows")[:, 0]
    np.testing.assert_allclose(whole[:5], 0)
    np.testing.assert_allclose(whole[5:10], np.arange(1, 6) / 6)
    np.testing.assert_allclose(whole[10:], 1)


def pieces_of(proteins, lost=()):
    """Pieces of several proteins with their true values; some of them are lost."""
    truth = {
        p.id: np.random.default_rng(i).normal(size=(len(p), 2)) for i, p in enumerate(proteins)
    }
    pieces = []
    for protein in proteins:
        for number, piece in enumerate(cut(protein, 10, "windows")):
            values = truth[protein.id][piece.start : piece.start + len(piece)].astype(np.float32)
            pieces.append((piece, None if (protein.id, number) in lost else values))
    return truth, iter(pieces)


@pytest.mark.parametrize("window", [0, 1, 2, 4])
def test_what_is_left_of_a_lost_protein_goes_to_no_other(window):
    proteins = [Protein("a", "A" * 30), Protein("b", "C" * 23), Protein("c", "D" * 4)]
    truth, pieces = pieces_of(proteins, {("a", window)})
    with pytest.raises(LostPieceError):
        merge_windows(proteins[0], pieces, 10, "windows")
    for protein in proteins[1:]:
        whole = merge_windows(protein, pieces, 10, "windows")
        np.testing.assert_allclose(whole, truth[protein.id], atol=1e-5)
    assert next(pieces, None) is None


def test_two_lost_windows_lose_one_protein():
    proteins = [Protein("a", "A" * 30), Protein("b", "C" * 8), Protein("c", "D" * 23)]
    truth, pieces = pieces_of(proteins, {("a", 0), ("a", 2), ("b", 0)})
    for protein in proteins[:2]:
        with pytest.raises(LostPieceError):
            merge_windows(protein, pieces, 10, "windows")
    np.testing.assert_allclose(
        merge_windows(proteins[2], pieces, 10, "windows"), truth["c"], atol=1e-5
    )


def test_the_first_window_alone_is_kept_by_nterm():
    protein = Protein("p", "A" * 25)
    (piece,) = cut(protein, 10, "nterm")
    assert (piece.start, len(piece)) == (0, 10)
    whole = merge_windows(protein, iter([(piece, np.ones((10, 2), np.float32))]), 10, "nterm")
    assert whole.shape == (25, 2)
    assert (whole[:10] == 1).all()
    assert (whole[10:] == 0).all()


def test_the_policy_is_written_out():
    assert policy(1022, "windows") == f"windows(1022,{OVERLAP})"
    assert policy(1022, "nterm") == "nterm(1022)"
    assert policy(None, "windows") == "whole"
    with pytest.raises(InputError, match="'half' is none of"):
        policy(1022, "half")


@pytest.mark.parametrize(
    ("length", "window", "long", "places"),
    [
        (1022, 1022, "windows", [0]),
        (1023, 1022, "windows", [0, 1]),
        (1788, 1022, "windows", [0, 766]),  # two windows that share just what they must
        (1789, 1022, "windows", [0, 384, 767]),
        (9, 10, "windows", [0]),
        (15, 10, "windows", [0, 5]),  # half a window is shared where 256 residues are more
        (16, 10, "windows", [0, 3, 6]),
        (9999, 1022, "nterm", [0]),
        (9999, None, "windows", [0]),
    ],
)
def test_where_windows_begin(length, window, long, places):
    assert OVERLAP == 256
    assert starts(length, window, long) == places


def test_merged_values_have_the_type_of_their_pieces():
    protein = Protein("p", "A" * 15)
    for dtype in (np.float16, np.float32):
        pieces = ((p, np.ones((len(p), 2), dtype)) for p in cut(protein, 10, "windows"))
        assert merge_windows(protein, pieces, 10, "windows").dtype == dtype
