"""Rows of a split as packed batches: embeddings gathered from the store, tokens from memory.

Tokens are a byte or two a residue and alphabet, so all of a split's are held in memory; embeddings
stay in the store (or in one array, see `loader`) and are copied protein by protein into each batch.
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
from ..errors import InputError, NotStoredError
from ..provenance import Provenance
from ..residues import StructureTokens
from ..store import Tokens
from ..tasks import IGNORED, Problem
from .batch import Batch


class EmbeddingRows(Protocol):
    """What rows are read from: a store's `Embeddings`, or the embeddings of a few proteins at hand.

    Methods and arrays are those of `Embeddings`.
    """

    provenance: Provenance
    lengths: NDArray[np.int64]

    @property
    def dim(self) -> int:
        """Width d."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Storage type."""

    def find(self, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Row of each digest, -1 where there is none."""

    def locate(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """Array, first residue and one past the last of each row."""

    def gather(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Copy the residues of some rows back to back."""


@dataclass(frozen=True)
class Coverage:
    """How much of a split has structure.

    Parameters
    ----------
    proteins, with_tokens : int
        Rows, and those whose protein has tokens.
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
        chosen = {name: self.unmasked[name] for name in alphabets}
        with_tokens = self.with_tokens if chosen else 0
        return {**asdict(self), "with_tokens": with_tokens, "unmasked": chosen}


class SplitData:
    """Proteins to train on or predict, row by row.

    Parameters
    ----------
    embeddings : EmbeddingRows
        The store's view under one encoder, or embeddings at hand.
    tokens : Tokens or None
        Structure tokens of one source; None trains without.
    digests : ndarray, shape=(N, 32), dtype=uint8
        Protein of each row; repeats are fine.
    alphabets : sequence of str
        Which tokens to read.
    labels : sequence, optional
        Label of each row, as in `Split`.
    problem : Problem, optional
        How to pack the labels.
    n_classes : int
        Width of a multi-label row.
    min_plddt : int
        Residues predicted with less are masked; 0 masks none.

    Raises
    ------
    NotStoredError
        Some proteins have no embedding.
    InputError
        A protein has not one label a residue, where each needs its own.
    """

    def __init__(
        self,
        embeddings: EmbeddingRows,
        tokens: Tokens | None,
        digests: NDArray[np.uint8],
        *,
        alphabets: Sequence[str] = (),
        labels: Sequence[Any] | None = None,
        problem: Problem | None = None,
        n_classes: int = 0,
        min_plddt: int = 0,
    ) -> None:
        self.embeddings, self.alphabets = embeddings, tuple(alphabets)
        self.rows = embeddings.find(digests)
        if missing := int((self.rows < 0).sum()):
            raise NotStoredError(
                f"{missing:,} of {len(digests):,} proteins have no embedding by "
                f"{embeddings.provenance.fingerprint.encoder}. Make them with `sesstore embed`"
            )
        self.lengths: NDArray[np.int64] = embeddings.lengths[self.rows]
        self._labels = _packable(labels, problem, n_classes)
        self._per_residue = problem is not None and problem.per_residue
        if self._per_residue and labels is not None:
            _check_one_a_residue(labels, self.lengths)
        found: list[StructureTokens | None] = [None] * len(digests)
        if tokens is not None and alphabets:
            found = tokens.get_all(row.tobytes() for row in digests)
        self._codes = {
            name: [
                _codes(item, name, int(length), min_plddt)
                for item, length in zip(found, self.lengths, strict=True)
            ]
            for name in self.alphabets
        }
        self.with_tokens = np.array([item is not None for item in found], bool)
        """Whether each row has structure tokens, shape=(N,)."""
        self.coverage = self._count()
        self._held: _Held | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: NDArray[np.int64]) -> Batch:
        """Return some rows as one packed batch.

        Parameters
        ----------
        index : ndarray, shape=(B,), dtype=int64
            Rows of the split.
        """
        rows = self.rows[index]
        return Batch(
            gathered(self.embeddings, rows) if self._held is None else self._held.read(rows),
            self.tokens(index),
            tuple(int(n) for n in self.lengths[index]),
            self._pack_labels(index),
            torch.from_numpy(index),
        )

    @property
    def places(self) -> NDArray[np.int64]:
        """Where each row's embedding stands in the store, as a rank; shape=(N,)."""
        segments, starts, _ = self.embeddings.locate(self.rows)
        ranks: NDArray[np.int64] = np.lexsort((starts, segments)).argsort()
        return ranks

    @property
    def bytes(self) -> int:
        """Bytes of the embeddings, each protein counted once, as `hold` would hold them."""
        residues = int(self.embeddings.lengths[np.unique(self.rows)].sum())
        return residues * self.embeddings.dim * read_type(self.embeddings).itemsize

    def hold(self, residency: str, device: torch.device) -> None:
        """Copy the embeddings to where they are read from; ``"disk"`` leaves them in the store."""
        place = device if residency == "device" else torch.device("cpu")
        self._held = None if residency == "disk" else _Held(self.embeddings, self.rows, place)

    def tokens(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the structure tokens of some rows, packed; see `Batch.tokens`."""
        return {
            name: _pack([self._codes[name][i] for i in index], alphabet(name).size)
            for name in self.alphabets
        }

    def all_labels(self) -> Tensor:
        """Return the labels of all rows, packed as a batch of all would have them.

        Raises
        ------
        InputError
            There are none.
        """
        labels = self._pack_labels(np.arange(len(self)))
        if labels is None:
            raise InputError("these rows have no labels")
        return labels

    def _pack_labels(self, index: NDArray[np.int64]) -> Tensor | None:
        if self._labels is None:
            return None
        if self._per_residue:
            return torch.cat([self._labels[int(i)] for i in index])
        packed: Tensor = self._labels[torch.from_numpy(index)]  # type: ignore[call-overload]
        return packed

    def unmasked(self) -> NDArray[np.float64]:
        """Share of each row's residues that have a token in every alphabet, shape=(N,).

        0 where no alphabet is read.
        """
        shares = np.zeros(len(self))
        for row in range(len(self) if self.alphabets else 0):
            known = [_unmasked(self._codes[name][row], name) for name in self.alphabets]
            shares[row] = np.logical_and.reduce(known).mean()
        return shares

    def _count(self) -> Coverage:
        unmasked = {
            name: sum(int(_unmasked(codes, name).sum()) for codes in rows)
            for name, rows in self._codes.items()
        }
        with_tokens = int(self.with_tokens.sum())
        return Coverage(len(self), with_tokens, int(self.lengths.sum()), unmasked)


class _Held:
    """Embeddings of some rows in one tensor."""

    def __init__(self, view: EmbeddingRows, rows: NDArray[np.int64], device: torch.device) -> None:
        self.rows = np.unique(rows)
        self.lengths = view.lengths[self.rows]
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.values = gathered(view, self.rows).to(device)

    def read(self, rows: NDArray[np.int64]) -> Tensor:
        """Residues of some rows back to back, shape=(T, d)."""
        places = np.searchsorted(self.rows, rows)
        pieces = zip(self.starts[places].tolist(), self.lengths[places].tolist(), strict=True)
        return torch.cat([self.values[start : start + length] for start, length in pieces])


def read_type(view: EmbeddingRows) -> np.dtype[Any]:
    """Type embeddings are read as: as stored, int8 decoded to float32."""
    return np.dtype(np.float32) if view.dtype == np.int8 else view.dtype


def gathered(view: EmbeddingRows, rows: NDArray[np.int64]) -> Tensor:
    """Residues of some rows of a store back to back, shape=(T, d)."""
    values = np.empty((int(view.lengths[rows].sum()), view.dim), read_type(view))
    view.gather(rows, values)
    return torch.from_numpy(values)


def _codes(item: StructureTokens | None, name: str, length: int, min_plddt: int) -> Codes:
    """Codes [M, L] of one protein; all masked where there is no structure."""
    known = alphabet(name)
    codes = None if item is None else item.in_alphabet(name)
    if item is None or codes is None:
        return np.full((1, length), known.mask, known.dtype)
    if min_plddt and item.plddt is not None:
        codes = np.where(item.plddt < min_plddt, known.dtype.type(known.mask), codes)
    return codes


def _unmasked(codes: Codes, name: str) -> NDArray[np.bool_]:
    """Which residues have a token in some conformer, shape=(L,)."""
    known: NDArray[np.bool_] = (codes != alphabet(name).mask).any(0)
    return known


def _pack(codes: list[Codes], size: int) -> Tensor:
    """Codes [T], or shares of codes [T, size] if any protein has several conformers."""
    if all(len(one) == 1 for one in codes):
        return torch.from_numpy(np.concatenate([one[0] for one in codes]).astype(np.int64))
    return torch.from_numpy(np.concatenate([_shares(one, size) for one in codes]))


def _shares(codes: Codes, size: int) -> NDArray[np.float32]:
    """Share of conformers [M, L] with each code, [L, size]."""
    counts = np.zeros((codes.shape[1], size), np.float32)
    places = np.arange(codes.shape[1])
    for row in codes:
        counts[places, row] += 1
    return counts / np.float32(len(codes))


def _check_one_a_residue(labels: Sequence[Any], lengths: NDArray[np.int64]) -> None:
    counts = np.array([len(row) for row in labels], np.int64)
    if (wrong := np.flatnonzero(counts != lengths)).size:
        row = int(wrong[0])
        raise InputError(
            f"row {row + 1} has {counts[row]} residue labels and {lengths[row]} residues. "
            f"Give one label a residue; {IGNORED} or NaN where there is none"
        )


def _packable(
    labels: Sequence[Any] | None, problem: Problem | None, n_classes: int
) -> Tensor | list[Tensor] | None:
    """Labels as tensors: one for all rows, or one a row where each residue has its own."""
    if labels is None or problem is None:
        return None
    if problem.per_residue:
        dtype = np.float32 if problem.is_regression else np.int64
        return [torch.from_numpy(np.asarray(row, dtype)) for row in labels]
    if problem is Problem.MULTI_LABEL:
        packed = torch.zeros(len(labels), n_classes)
        for row, classes in enumerate(labels):
            packed[row, list(classes)] = 1
        return packed
    return torch.tensor(labels, dtype=torch.float32 if problem.is_regression else torch.int64)


def is_labelled(labels: Tensor) -> Tensor:
    """Return which labels of residues count: bool, of the same shape."""
    return labels == labels if labels.is_floating_point() else labels != IGNORED
