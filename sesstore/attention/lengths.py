"""Lengths of a packed batch's sequences, with what kernels on its device read of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from torch import Tensor


class Lengths(tuple[int, ...]):
    """Rows of each sequence: as good as a plain tuple, but nothing has to be copied for a kernel.

    Parameters
    ----------
    rows : iterable of int
        Of each sequence.
    ends : Tensor, shape=(B + 1,), dtype=int32
        On the batch's device: 0, and where each sequence ends.
    positions : Tensor, shape=(T,), dtype=int32
        On the batch's device: each row's place in its sequence.
    """

    ends: Tensor
    positions: Tensor

    def __new__(cls, rows: Iterable[int], ends: Tensor, positions: Tensor) -> Self:
        """Take what a batch has on its device."""
        lengths = super().__new__(cls, rows)
        lengths.ends, lengths.positions = ends, positions
        return lengths
