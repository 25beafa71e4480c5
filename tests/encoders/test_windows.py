"""Windows cover every residue, and merging what was cut gives the protein back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.encoders.windows import OVERLAP, cut, merged, policy, starts
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
    np.testing.assert_allclose(merged(protein, pieces, window, "windows"), truth, atol=1e-5)


def test_the_crossfade_is_linear():
    protein = Protein("p", "A" * 15)
    values = iter([np.zeros((10, 1), np.float32), np.ones((10, 1), np.float32)])
    pieces = ((piece, next(values)) for piece in cut(protein, 10, "windows"))
    whole = merged(protein, pieces, 10, "windows")[:, 0]
    np.testing.assert_allclose(whole[:5], 0)
    np.testing.assert_allclose(whole[5:10], np.arange(1, 6) / 6)
    np.testing.assert_allclose(whole[10:], 1)


def test_the_policy_is_written_out():
    assert policy(1022, "windows") == f"windows(1022,{OVERLAP})"
    assert policy(1022, "nterm") == "nterm(1022)"
    assert policy(None, "windows") == "whole"
    with pytest.raises(InputError, match="'half' is none of"):
        policy(1022, "half")
