"""The compiled gather against NumPy: every type, width, number of threads and way of writing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sesstore.store import row_gather

WAYS = [("float16", "float16"), ("float32", "float32"), ("int8", "int8"), ("float16", "float32"),
        ("int8", "float32")]  # fmt: skip

pytestmark = pytest.mark.skipif(row_gather.kernel() is None, reason="installed without a compiler")


def arrays(stored: str, rows: int, width: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Any values of a type there are, and scales."""
    chance = np.random.default_rng(seed)
    raw = chance.integers(0, 256, (rows, width * np.dtype(stored).itemsize), np.uint8)
    return raw.view(stored), chance.random(rows).astype(np.float16)


@given(
    st.sampled_from(WAYS),
    st.lists(st.integers(0, 40), min_size=1, max_size=8),
    st.integers(1, 70),
    st.integers(1, 5),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 2**32 - 1),
)
def test_it_is_what_numpy_copies(way, lengths, width, threads, past, before, seed) -> None:
    """Bit by bit, whatever is not a number included, and not a byte beside it."""
    stored, kind = way
    counts = np.array(lengths, np.int64)
    values, scales = arrays(stored, int(counts.sum()) + 1, width, seed)
    order = np.random.default_rng(seed).permutation(len(counts))
    starts = (np.cumsum(counts) - counts)[order]
    counts = counts[order]
    whole = np.full((before + counts.sum() + 1, width), 7, kind)
    out = whole[before : before + counts.sum()]  # begins at any multiple of a number's bytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_gather, "_cores", lambda: threads)
        patch.setattr(row_gather, "SHARE", 1)
        patch.setattr(row_gather, "LARGE", 0 if past else 1 << 40)
        assert row_gather.takes(values.dtype, out)
        row_gather.gather(
            row_gather.address(values, values.dtype) + starts * values.strides[0],
            counts, values.dtype, out,
            row_gather.address(scales, scales.dtype) + starts * 2,
        )  # fmt: skip
    pieces = [np.arange(s, s + n) for s, n in zip(starts, counts, strict=True)]
    rows = np.concatenate(pieces).astype(np.int64)
    expected = values[rows]
    if (stored, kind) == ("int8", "float32"):
        expected = expected.astype(np.float32) * scales[rows].astype(np.float32)[:, None]
    expected = expected.astype(kind)
    numbers = expected == expected
    assert (numbers == (out == out)).all()
    assert out[numbers].tobytes() == expected[numbers].tobytes()
    assert (whole[:before] == 7).all()
    assert (whole[-1] == 7).all()


def test_what_it_does_not_take() -> None:
    half = np.dtype(np.float16)
    assert row_gather.takes(half, np.empty((4, 6), np.float32))
    assert not row_gather.takes(half, np.empty((4, 6), np.float64))
    assert not row_gather.takes(np.dtype(np.float32), np.empty((4, 6), half))
    assert not row_gather.takes(half, np.empty((4, 6), half)[:, ::2])
    shifted = np.zeros(4 * 6 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(4, 6)
    assert not row_gather.takes(half, shifted)
    values = np.zeros((4, 6), half)
    assert row_gather.address(values[:, ::2], half) == 0
    assert row_gather.address(values, np.dtype(np.float32)) == 0
    assert row_gather.address([[0.0]], half) == 0
    first = np.array([row_gather.address(values, half)])
    with pytest.raises(ValueError, match="3 rows do not fill a buffer of 4"):
        row_gather.gather(first, np.array([3]), half, np.empty((4, 6), half))
    with pytest.raises(ValueError, match="by scales"):
        row_gather.gather(first, np.array([4]), np.dtype(np.int8), np.empty((4, 6), np.float32))


@pytest.mark.parametrize(
    ("size", "cores", "threads"), [(40, 4, 1), (100, 4, 1), (199, 4, 1), (200, 4, 2), (999, 4, 4)]
)
def test_a_thread_for_so_many_bytes_and_at_least_one(monkeypatch, size, cores, threads) -> None:
    calls = []
    monkeypatch.setattr(row_gather, "SHARE", 100)
    monkeypatch.setattr(row_gather, "_cores", lambda: cores)
    monkeypatch.setattr(row_gather, "LARGE", 199)
    monkeypatch.setattr(
        row_gather, "kernel", lambda: SimpleNamespace(gather=lambda *a: calls.append(a[-2:]))
    )
    out = np.zeros((1, size), np.int8)
    row_gather.gather(np.zeros(1, np.int64), np.ones(1, np.int64), np.dtype(np.int8), out)
    assert calls == [(size >= 199, threads)]


@pytest.mark.parametrize(("cores", "threads"), [(2, 2), (64, row_gather.THREADS)])
def test_threads_are_no_more_than_cores_and_a_few(monkeypatch, cores, threads) -> None:
    monkeypatch.setattr(row_gather, "available_cores", lambda: cores)
    assert row_gather._cores.__wrapped__() == threads
