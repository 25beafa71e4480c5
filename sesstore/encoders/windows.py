"""Proteins longer than a model's window: cut into overlapping windows, and merged smoothly.

``windows``: windows of equal length, at least `OVERLAP` residues shared with the next; where two
overlap, their embeddings are crossfaded linearly. ``nterm``: the first window only; the rows of the
rest are zero, which marks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..proteins import Protein

OVERLAP = 256
POLICIES = ("windows", "nterm")


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


def policy(window: int | None, long: str) -> str:
    """How a fingerprint writes the policy.

    Raises
    ------
    InputError
        There is no such policy.
    """
    if long not in POLICIES:
        raise InputError(f"long-protein policy '{long}' is none of {', '.join(POLICIES)}")
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


def cut(protein: Protein, window: int | None, long: str) -> Iterator[Piece]:
    """Yield the pieces of a protein."""
    size = len(protein) if window is None else window
    for start in starts(len(protein), window, long):
        yield Piece(protein.sequence[start : start + size], start)


def merged(
    protein: Protein,
    encoded: Iterator[tuple[Piece, NDArray[np.float32]]],
    window: int | None,
    long: str,
) -> NDArray[np.float32]:
    """Take a protein's pieces from the front of `encoded` and merge them.

    Parameters
    ----------
    protein : Protein
        Whose pieces come next.
    encoded : iterator of (Piece, ndarray [length, d])
        Pieces in the order `cut` gave them.

    Returns
    -------
    ndarray, shape=(L, d), dtype=float32
    """
    places = starts(len(protein), window, long)
    if len(places) == 1:
        _, values = next(encoded)
        if len(values) == len(protein):
            return values
        whole = np.zeros((len(protein), values.shape[1]), np.float32)
        whole[: len(values)] = values
        return whole
    whole, end = np.zeros((0, 0), np.float32), 0
    for start in places:
        _, values = next(encoded)
        if not whole.size:
            whole = np.zeros((len(protein), values.shape[1]), np.float32)
        shared = end - start if end else 0
        # Weights of the new window rise over the overlap, never quite 0 or 1.
        rise = (np.arange(1, shared + 1, dtype=np.float32) / (shared + 1))[:, None]
        whole[start : start + shared] += rise * (values[:shared] - whole[start : start + shared])
        whole[start + shared : start + len(values)] = values[shared:]
        end = start + len(values)
    return whole
