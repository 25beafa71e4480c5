"""What a GPU computes of a packed batch in one product, where a CPU goes protein by protein.

A launch costs a GPU more than the arithmetic of one protein. So a sum over each protein's residues
is one product with a matrix [B, T] that is zero outside of the protein, and rows of a small table
are looked up by a product with ones and zeros, whose gradient is a product, too, and not a sort.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..attention.cuda import to_device
from ..streaming.batch_lengths import BatchLengths, lengths_on

WIDEST = 256
"""Rows of a table that are looked up by a product: more would cost more than looking up."""


def owners(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Number of the protein that each residue is of: shape=(T,), dtype=int32."""
    if not isinstance(lengths, BatchLengths):
        lengths = lengths_on(lengths, device)
    return lengths.owners


def membership(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Whether each residue is the protein's: shape=(B, T), dtype=bool."""
    return owners(lengths, device) == numbers(len(lengths), torch.int32, device)[:, None]


def membership_padded(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Whether each place of a protein padded to the longest is a residue: shape=(B, L)."""
    ends = lengths.ends if isinstance(lengths, BatchLengths) else lengths_on(lengths, device).ends
    return numbers(max(lengths), torch.int32, device) < (ends[1:] - ends[:-1])[:, None]


@lru_cache(maxsize=4)
def gapped(lengths: tuple[int, ...], gap: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Lay proteins out in a row with gaps between them, and from there padded to one length.

    Returns
    -------
    rows : Tensor, shape=(T,), dtype=int64
        Row of each residue, where `gap` empty rows stand between proteins.
    places : Tensor, shape=(T + gap (B - 1),), dtype=int64
        Row of each such row, where every protein has as many rows as the longest, one protein
        behind the other; empty rows go behind all of them.
    """
    count, longest = len(lengths), max(lengths)
    owner = np.repeat(np.arange(count), lengths)
    position = np.arange(len(owner)) - (np.cumsum(lengths) - lengths)[owner]
    rows = np.arange(len(owner)) + gap * owner
    places = count * longest + np.arange(len(owner) + gap * (count - 1))
    places[rows] = owner * longest + position
    with torch.inference_mode(False):
        pair = (to_device(torch.from_numpy(x.astype(np.int64)), device) for x in (rows, places))
        first, second = pair
        return first, second


def one_hot(codes: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    """Ones where a row's code is, zeros elsewhere: shape=(T, count)."""
    return (codes[:, None] == numbers(count, codes.dtype, codes.device)).to(dtype)


def numbers(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """From 0 to count - 1."""
    return _numbers(1 << max(count - 1, 0).bit_length(), dtype, device)[:count]


@lru_cache(maxsize=32)
def _numbers(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # kept beyond the call that first needs it
        return torch.arange(count, dtype=dtype, device=device)
