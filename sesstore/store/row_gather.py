"""Copy the rows of some proteins back to back: what checks and calls the compiled gather.

One call copies a batch, on several threads, and decodes float16 and int8 to float32 on the way. It
is compiled when the package is installed; where no compiler was there, NumPy copies protein by
protein.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..memory import available_cores

THREADS = 4
"""At most: so many keep a processor's memory busy."""
SHARE = 1 << 20
"""Bytes that are worth a thread."""
LARGE = 1 << 23
"""Bytes of a batch from which on it is written past the processor's caches, which it would not fit
into."""
_COPY, _WIDEN, _SCALE = range(3)


@cache
def kernel() -> Any | None:
    """Return the compiled gather, or None."""
    try:
        return import_module(f"{__package__}._row_gather")
    except ImportError:
        return None


def address(values: Any, dtype: np.dtype[Any]) -> int:
    """Return where an array's rows begin, 0 if they do not stand back to back in memory."""
    plain = isinstance(values, np.ndarray) and values.flags.c_contiguous and values.dtype == dtype
    return values.ctypes.data if plain else 0


def takes(stored: np.dtype[Any], out: NDArray[Any]) -> bool:
    """Whether the compiled gather is there, and fills `out` from values stored as `stored`."""
    return (
        kernel() is not None
        and out.flags.c_contiguous
        and out.flags.aligned
        and (out.dtype == stored or (out.dtype == np.float32 and stored in (np.float16, np.int8)))
    )


def gather(
    sources: NDArray[np.int64],
    counts: NDArray[np.int64],
    stored: np.dtype[Any],
    out: NDArray[Any],
    scales: NDArray[np.int64] | None = None,
) -> None:
    """Copy rows from where they lie in memory back to back.

    Nothing of what addresses point to is checked: the caller holds it until this returns.

    Parameters
    ----------
    sources : ndarray, shape=(B,), dtype=int64
        Address of each protein's first row.
    counts : ndarray, shape=(B,), dtype=int64
        Its rows.
    stored : dtype
        Type of the rows; see `takes`.
    out : ndarray, shape=(T, d)
        T is the sum of the counts.
    scales : ndarray, shape=(B,), dtype=int64, optional
        Address of each protein's first scale, float16, where int8 is decoded.
    """
    if int(counts.sum()) != len(out):
        raise ValueError(f"{int(counts.sum())} rows do not fill a buffer of {len(out)}")
    way = _COPY if out.dtype == stored else _SCALE if stored == np.int8 else _WIDEN
    if way == _SCALE and scales is None:
        raise ValueError("int8 is decoded by scales")
    sources, counts = np.ascontiguousarray(sources), np.ascontiguousarray(counts)
    scales = np.zeros(0, np.int64) if scales is None else np.ascontiguousarray(scales)
    threads = max(1, min(_cores(), out.nbytes // SHARE))
    compiled = kernel()
    assert compiled is not None
    compiled.gather(
        sources.ctypes.data, counts.ctypes.data, scales.ctypes.data, out.ctypes.data,
        len(sources), out.shape[1], stored.itemsize, way, out.nbytes >= LARGE, threads,
    )  # fmt: skip


@cache
def _cores() -> int:
    return min(THREADS, available_cores())
