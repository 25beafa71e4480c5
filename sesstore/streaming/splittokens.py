"""Structure tokens of a split's rows: in memory, or read from the store batch by batch.

How much of the split has tokens is counted in one pass that keeps none of them. They are then read
from the store as batches need them, so that memory does not grow with the data, or once and for all
(`SplitTokens.hold`) where the data fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..alphabets import Codes, alphabet
from ..residues import StructureTokens

PORTION = 1024
"""Rows that are counted at once."""


class TokenRows(Protocol):
    """What tokens are read from: a store's `Tokens` of one source, or a view of changed ones."""

    source: str
    """What the source is called."""

    def get_all(self, digests: Iterable[bytes]) -> list[StructureTokens | None]:
        """Tokens of several proteins, None where there are none."""


@dataclass(frozen=True)
class Coverage:
    """How much of a split has structure.

    Parameters
    ----------
    proteins, with_tokens : int
        Rows, and those whose protein has tokens in an alphabet that is read.
    residues : int
        Residues of all rows.
    unmasked : dict of str to int
        For each alphabet the residues with a code that is not the mask.
    """

    proteins: int
    with_tokens: int
    residues: int
    unmasked: dict[str, int]

    def of(self, alphabets: Iterable[str]) -> dict[str, Any]:
        """Everything as plain values, with these alphabets only."""
        unmasked = {name: self.unmasked[name] for name in alphabets}
        with_tokens = self.with_tokens if unmasked else 0
        return {**asdict(self), "with_tokens": with_tokens, "unmasked": unmasked}


class SplitTokens:
    """Structure tokens of some rows.

    Parameters
    ----------
    tokens : TokenRows or None
        Of one source; None masks everything.
    digests : ndarray, shape=(N, 32), dtype=uint8
        Protein of each row.
    lengths : ndarray, shape=(N,)
        Its residues.
    alphabets : sequence of str
        Which tokens to read.
    min_plddt : int
        Residues predicted with less are masked; 0 masks none.
    """

    def __init__(
        self,
        tokens: TokenRows | None,
        digests: NDArray[np.uint8],
        lengths: NDArray[np.int64],
        alphabets: Sequence[str],
        min_plddt: int,
    ) -> None:
        self.alphabets = tuple(alphabets)
        self._tokens = tokens if self.alphabets else None
        self._digests, self._lengths, self._min_plddt = digests, lengths, min_plddt
        self._resident: list[tuple[Codes, ...]] | None = None
        self.with_tokens = np.zeros(len(digests), bool)
        """Whether each row has tokens in an alphabet that is read, shape=(N,)."""
        self.unmasked = np.zeros(len(digests))
        """Share of each row's residues that have a token in every alphabet, shape=(N,)."""
        self.coverage = self._count()

    def hold(self) -> None:
        """Keep all tokens in memory: a byte or two a residue and alphabet."""
        if self.alphabets:
            self._resident = self._read(np.arange(len(self._digests)))

    def packed(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the tokens of some rows back to back; see `Batch.tokens`."""
        if not self.alphabets:
            return {}
        rows = self._read(index) if self._resident is None else [self._resident[i] for i in index]
        by_alphabet = zip(self.alphabets, zip(*rows, strict=True), strict=True)
        return {name: _pack(codes, alphabet(name).size) for name, codes in by_alphabet}

    def _items(self, index: NDArray[np.int64]) -> list[StructureTokens | None]:
        if self._tokens is None:
            return [None] * len(index)
        return self._tokens.get_all(row.tobytes() for row in self._digests[index])

    def _read(self, index: NDArray[np.int64]) -> list[tuple[Codes, ...]]:
        """Codes [M, L] of some rows, one of each alphabet."""
        lengths = self._lengths[index].tolist()
        return [self._coded(*pair) for pair in zip(self._items(index), lengths, strict=True)]

    def _coded(self, item: StructureTokens | None, length: int) -> tuple[Codes, ...]:
        return tuple(_codes(item, name, length, self._min_plddt) for name in self.alphabets)

    def _count(self) -> Coverage:
        counts = dict.fromkeys(self.alphabets, 0)
        for start in range(0, len(self._digests) if self._tokens is not None else 0, PORTION):
            index = np.arange(start, min(start + PORTION, len(self._digests)))
            for row, item in zip(index.tolist(), self._items(index), strict=True):
                if item is None or all(item.in_alphabet(name) is None for name in self.alphabets):
                    continue  # pLDDT alone, or another alphabet, is no structure to learn from
                self.with_tokens[row] = True
                codes = zip(self._coded(item, int(self._lengths[row])), self.alphabets, strict=True)
                has_token = [_unmasked(row_codes, name) for row_codes, name in codes]
                self.unmasked[row] = np.logical_and.reduce(has_token).mean()
                for name, residues in zip(self.alphabets, has_token, strict=True):
                    counts[name] += int(residues.sum())
        total = int(self._lengths.sum())
        return Coverage(len(self._digests), int(self.with_tokens.sum()), total, counts)


def _codes(item: StructureTokens | None, name: str, length: int, min_plddt: int) -> Codes:
    """Codes [M, L] of one protein; all masked where there is no structure."""
    letters = alphabet(name)
    codes = None if item is None else item.confident(name, min_plddt)
    return np.full((1, length), letters.mask, letters.dtype) if codes is None else codes


def _unmasked(codes: Codes, name: str) -> NDArray[np.bool_]:
    """Which residues have a token in some conformer, shape=(L,)."""
    unmasked: NDArray[np.bool_] = (codes != alphabet(name).mask).any(0)
    return unmasked


def _pack(codes: Sequence[Codes], size: int) -> Tensor:
    """Codes [T], or shares of codes [T, size] if any protein has several conformers."""
    if all(len(protein) == 1 for protein in codes):
        return torch.from_numpy(np.concatenate([protein[0] for protein in codes]).astype(np.int64))
    return torch.from_numpy(np.concatenate([_shares(protein, size) for protein in codes]))


def _shares(codes: Codes, size: int) -> NDArray[np.float32]:
    """Share of conformers [M, L] with each code, [L, size]."""
    counts = np.zeros((codes.shape[1], size), np.float32)
    places = np.arange(codes.shape[1])
    for row in codes:
        counts[places, row] += 1
    return counts / np.float32(len(codes))
