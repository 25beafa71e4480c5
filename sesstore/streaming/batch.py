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

    @property
    def positions(self) -> Tensor:
        """Place of each residue in its protein, from 0: shape=(T,), dtype=int64."""
        steps = [torch.arange(length, device=self.values.device) for length in self.lengths]
        return torch.cat(steps)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; pinned memory is copied without waiting."""
        if self.values.device == device:
            return self

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return Batch(
            move(self.values),
            {name: move(codes) for name, codes in self.tokens.items()},
            self.lengths,
            None if self.labels is None else move(self.labels),
            move(self.index),
        )
