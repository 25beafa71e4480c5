"""Proteins longer than a model's window: cut into overlapping windows, and merged smoothly.

``windows``: windows of equal length, at least `OVERLAP` residues shared with the next; where two
overlap, their embeddings are crossfaded linearly. ``nterm``: the first window only; the rows of the
rest are zero, which marks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

OVERLAP = 256
POLICIES = ("windows", "nterm")


class EncoderInput(Protocol):
    """What is encoded under one digest: a protein, or what an encoder makes of it."""

    @property
    def digest(self) -> bytes:
        """The protein's."""

    @property
    def sequence(self) -> str:
        """A character a residue, as the encoder's tokeniser takes them."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Piece:
    """What is encoded at once: a protein, or one window of it.

    Parameters
    ----------
    sequence : str
        Its residues.
    start : int
        Place of the first in the protein.
    """

    sequence: str
    start: int

    def __len__(self) -> int:
        return len(self.sequence)


Values = NDArray[np.float32] | NDArray[np.float16]
"""Embeddings as a forward gives them, [length, d]."""

Encoded = tuple[Piece, Values | None]
"""A piece and its values, [length, d]; None if they could not be had."""


class LostPieceError(Exception):
    """A piece of this protein could not be encoded."""


def policy(window: int | None, long: str) -> str:
    """How a fingerprint writes the policy.

    Raises
    ------
    InputError
        There is no such policy.
    """
    if long not in POLICIES:
        raise InputError(
            f"long-protein policy '{long}' is none of {', '.join(POLICIES)}. Choose one of these"
        )
    if window is None:
        return "whole"
    return f"windows({window},{OVERLAP})" if long == "windows" else f"nterm({window})"


def starts(length: int, window: int | None, long: str) -> list[int]:
    """Where the windows of a protein begin, evenly spread so that the last ends with it."""
    if window is None or length <= window or long == "nterm":
        return [0]
    overlap = min(OVERLAP, window // 2)
    count = -(-(length - overlap) // (window - overlap))
    return [round(i * (length - window) / (count - 1)) for i in range(count)]


def cut(protein: EncoderInput, window: int | None, long: str) -> Iterator[Piece]:
    """Yield the pieces of a protein."""
    size = len(protein) if window is None else window
    for start in starts(len(protein), window, long):
        yield Piece(protein.sequence[start : start + size], start)


def merge_windows(
    protein: EncoderInput, encoded: Iterator[Encoded], window: int | None, long: str
) -> Values:
    """Take a protein's pieces from the front of `encoded` and merge them.

    Parameters
    ----------
    protein : EncoderInput
        Whose pieces come next.
    encoded : iterator of (Piece, ndarray [length, d])
        Pieces in the order `cut` gave them; all of this protein's are taken, whatever happens.

    Returns
    -------
    ndarray, shape=(L, d), dtype=float32 | float16
        In the type of the pieces; crossfaded in float32.

    Raises
    ------
    LostPieceError
        A piece has no values.
    """
    places = starts(len(protein), window, long)
    protein_values: NDArray[np.float32] | None = None
    dtype: np.dtype[Any] = np.dtype(np.float32)
    end, lost = 0, False
    for start in places:
        _, values = next(encoded)
        lost = lost or values is None
        if lost or values is None:
            continue
        if len(values) == len(protein):
            return values
        if protein_values is None:
            dtype = values.dtype
            protein_values = np.zeros((len(protein), values.shape[1]), np.float32)
        _lay(protein_values, values, start, max(end - start, 0))
        end = start + len(values)
    if protein_values is None or lost:
        raise LostPieceError
    return protein_values.astype(dtype, copy=False)


def _lay(protein_values: NDArray[np.float32], values: Values, start: int, shared: int) -> None:
    """Lay a window over the protein; its weight rises over the shared rows, never quite 0 or 1."""
    rise = (np.arange(1, shared + 1, dtype=np.float32) / (shared + 1))[:, None]
    overlap = protein_values[start : start + shared]
    overlap += rise * (values[:shared] - overlap)
    protein_values[start + shared : start + len(values)] = values[shared:]
