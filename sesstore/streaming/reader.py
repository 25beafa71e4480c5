"""Rows of a split as packed batches: embeddings and structure tokens, gathered protein by protein.

Both stay in the store and are copied into each batch, or are held in memory (`SplitData.hold`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError, NotStoredError
from ..provenance import Provenance
from ..store import row_gather
from ..tasks import IGNORED, Problem
from .batch import Batch
from .plan import plan_in_order
from .splittokens import SplitTokens, TokenRows

CPU = torch.device("cpu")
FILLED = 8192
"""Residues that are copied to a GPU at once when it is to hold all: some 20 to 80 MB."""


class EmbeddingRows(Protocol):
    """What rows are read from: a store's `Embeddings`, or embeddings in memory.

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


class SplitData:
    """Proteins to train on or predict, row by row.

    Parameters
    ----------
    embeddings : EmbeddingRows
        The store's view under one encoder, or embeddings in memory.
    tokens : TokenRows or None
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
        tokens: TokenRows | None,
        digests: NDArray[np.uint8],
        *,
        alphabets: Sequence[str] = (),
        labels: Sequence[Any] | None = None,
        problem: Problem | None = None,
        n_classes: int = 0,
        min_plddt: int = 0,
    ) -> None:
        self.embeddings, self.alphabets = embeddings, tuple(alphabets)
        self.digests = digests
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
        self._structure = SplitTokens(tokens, digests, self.lengths, alphabets, min_plddt)
        self.coverage = self._structure.coverage
        self.with_tokens = self._structure.with_tokens
        """Whether each row has structure tokens, shape=(N,)."""
        self.offset: Tensor | None = None
        """What is added to each row's logits, shape=(N, C), float32; see `Batch.offset`."""
        self._resident: _ResidentRows | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: NDArray[np.int64], device: torch.device = CPU) -> Batch:
        """Return some rows as one packed batch.

        Parameters
        ----------
        index : ndarray, shape=(B,), dtype=int64
            Rows of the split.
        device : torch.device
            Where the batch goes next: for a GPU values are read into pinned memory. They are not
            moved there, but are there already where the GPU holds them.
        """
        return Batch(
            self._values(self.rows[index], device),
            self.tokens(index),
            tuple(int(n) for n in self.lengths[index]),
            self._pack_labels(index),
            torch.from_numpy(index),
            offset=None if self.offset is None else self.offset[torch.from_numpy(index)],
        )

    def _values(self, rows: NDArray[np.int64], device: torch.device) -> Tensor:
        resident = self._resident
        if resident is None:
            return gather_rows(self.embeddings, rows, device)
        if resident.values.device.type != "cpu":
            return resident.read(rows)
        out = host_memory(int(self.embeddings.lengths[rows].sum()), self.embeddings, device)
        resident.gather(rows, out)
        return out

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
        """Copy embeddings and tokens to where they are read from.

        ``"disk"`` leaves both in the store. Tokens are held in RAM otherwise, whatever the device.
        """
        if residency == "disk":
            return
        place = device if residency == "device" else torch.device("cpu")
        self._resident = _ResidentRows(self.embeddings, self.rows, place)
        self._structure.hold()

    def tokens(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the structure tokens of some rows, packed; see `Batch.tokens`."""
        return self._structure.packed(index)

    def all_labels(self) -> Tensor:
        """Return the labels of all rows, packed as a batch of all would have them.

        Raises
        ------
        InputError
            There are none.
        """
        labels = self._pack_labels(np.arange(len(self)))
        if labels is None:
            raise InputError("these rows have no labels. Give a split with labels")
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
        return self._structure.unmasked


class _ResidentRows:
    """Embeddings of some rows in one tensor, filled block by block.

    On a GPU, memory of the host is taken for one block alone: what fits the one need not fit the
    other.
    """

    def __init__(self, view: EmbeddingRows, rows: NDArray[np.int64], device: torch.device) -> None:
        self.rows = np.unique(rows)
        self.lengths = view.lengths[self.rows]
        self.starts = np.cumsum(self.lengths) - self.lengths
        count, dtype = int(self.lengths.sum()), torch_type(view)
        self.values = torch.empty(count, view.dim, dtype=dtype, device=device)
        if device.type == "cpu":
            view.gather(self.rows, self.values.numpy())
        else:
            self._fill(view)

    def _fill(self, view: EmbeddingRows) -> None:
        blocks = plan_in_order(self.lengths, FILLED).batches
        largest = max((int(self.lengths[block].sum()) for block in blocks), default=0)
        buffer = host_memory(largest, view, self.values.device)
        for block in blocks:
            start, count = int(self.starts[block[0]]), int(self.lengths[block].sum())
            view.gather(self.rows[block], buffer[:count].numpy())
            self.values[start : start + count].copy_(buffer[:count])  # waits: the buffer is reused

    def read(self, rows: NDArray[np.int64]) -> Tensor:
        """Residues of some rows back to back where they are held, shape=(T, d)."""
        starts, lengths = (part.tolist() for part in self._places(rows))
        pieces = zip(starts, lengths, strict=True)
        return torch.cat([self.values[start : start + length] for start, length in pieces])

    def gather(self, rows: NDArray[np.int64], out: Tensor) -> None:
        """Copy residues of some rows that are held in the host's memory back to back."""
        starts, lengths = self._places(rows)
        stored, filled = self.values.numpy(), out.numpy()
        if row_gather.takes(stored.dtype, filled):
            first = stored.ctypes.data + starts * stored.strides[0]
            row_gather.gather(first, lengths, stored.dtype, filled)
        else:
            out.copy_(self.read(rows))

    def _places(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where some rows begin in what is held, and their residues."""
        places = np.searchsorted(self.rows, rows)
        return self.starts[places], self.lengths[places]


def read_type(view: EmbeddingRows) -> np.dtype[Any]:
    """Type embeddings are read as: as stored, int8 decoded to float32."""
    return np.dtype(np.float32) if view.dtype == np.int8 else view.dtype


def gather_rows(view: EmbeddingRows, rows: NDArray[np.int64], device: torch.device = CPU) -> Tensor:
    """Residues of some rows of a store back to back, shape=(T, d), in the host's memory."""
    values = host_memory(int(view.lengths[rows].sum()), view, device)
    view.gather(rows, values.numpy())
    return values


def host_memory(rows: int, view: EmbeddingRows, device: torch.device) -> Tensor:
    """Return memory of the host, shape=(rows, d), for embeddings that are needed on a device.

    Float32 where they are computed with here. For a GPU they are as they are read (half the bytes
    to copy), and the memory is pinned where that can be had (a system may limit locked memory):
    copies are faster.
    """
    if device.type != "cuda":
        return torch.empty(rows, view.dim)
    with suppress(RuntimeError):
        return torch.empty(rows, view.dim, dtype=torch_type(view), pin_memory=True)
    return torch.empty(rows, view.dim, dtype=torch_type(view))


def torch_type(view: EmbeddingRows) -> torch.dtype:
    """As `read_type`, in torch's words."""
    return torch.from_numpy(np.empty(0, read_type(view))).dtype


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
