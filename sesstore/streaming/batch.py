"""Packed batches: residues of several proteins back to back, without padding.

Shapes: T residues in all, B proteins, protein i being rows ``cu_seqlens[i]:cu_seqlens[i + 1]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """Some proteins, packed.

    Parameters
    ----------
    values : Tensor, shape=(T, d)
        Frozen embeddings, float16 or float32.
    tokens : mapping of str to Tensor
        For each alphabet codes [T] (int64), or where a protein has several conformers the share of
        each code, [T, codes] (float32).
    lengths : tuple of int, length B
        Residues of each protein.
    labels : Tensor or None
        [B] classes (int64) or numbers (float32), [B, n] classes as 0 and 1 (float32), or a label a
        residue, [T].
    index : Tensor, shape=(B,), dtype=int64
        Row of the split each protein is.
    """

    values: Tensor
    tokens: Mapping[str, Tensor]
    lengths: tuple[int, ...]
    labels: Tensor | None
    index: Tensor

    @property
    def cu_seqlens(self) -> Tensor:
        """Where proteins start, and the end: shape=(B + 1,), dtype=int32."""
        ends = torch.tensor((0, *self.lengths), device=self.values.device).cumsum(0)
        return ends.to(torch.int32)

    def parts(self, budget: int, per_residue: bool = False) -> list[Batch]:
        """Cut the batch, without copying, into parts of about `budget` residues each.

        Parameters
        ----------
        budget : int
            A part ends at the first protein that reaches it.
        per_residue : bool
            Whether there is a label a residue, not a protein.
        """
        found, first, start, stop = [], 0, 0, 0
        for last, length in enumerate(self.lengths, 1):
            stop += length
            if stop - start >= budget or last == len(self.lengths):
                found.append(self._part(slice(first, last), slice(start, stop), per_residue))
                first, start = last, stop
        return found

    def _part(self, proteins: slice, residues: slice, per_residue: bool) -> Batch:
        return Batch(
            self.values[residues],
            {name: codes[residues] for name, codes in self.tokens.items()},
            self.lengths[proteins],
            None if self.labels is None else self.labels[residues if per_residue else proteins],
            self.index[proteins],
        )

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; pinned memory is copied without waiting."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return Batch(
            move(self.values),
            {name: move(codes) for name, codes in self.tokens.items()},
            self.lengths,
            None if self.labels is None else move(self.labels),
            move(self.index),
        )
