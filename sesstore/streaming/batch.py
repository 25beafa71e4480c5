"""Packed batches: residues of several proteins back to back, without padding.

Shapes: T residues in all, B proteins, protein i being rows ``cu_seqlens[i]:cu_seqlens[i + 1]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..attention.cuda import to_device
from .batch_lengths import BatchLengths, lengths_on


@dataclass(frozen=True, eq=False)
class Batch:
    """Some proteins, packed.

    Parameters
    ----------
    values : Tensor, shape=(T, d)
        Frozen embeddings: float32, or as stored on their way to a GPU.
    tokens : mapping of str to Tensor
        For each alphabet codes [T] (int64), or where a protein has several conformers the share of
        each code, [T, codes] (float32).
    lengths : tuple of int, length B
        Residues of each protein; on a GPU a `BatchLengths`.
    labels : Tensor or None
        [B] classes (int64) or numbers (float32), [B, n] classes as 0 and 1 (float32), or a label a
        residue, [T].
    index : Tensor, shape=(B,), dtype=int64
        Row of the split each protein is; always the host's.
    host_labels : Tensor or None
        The same labels where the host can read them, if `labels` lie elsewhere: a GPU would have to
        finish all its work first.
    offset : Tensor or None, shape=(B, C), dtype=float32
        What is added to an adapter's logits: what a linear model says of each protein.
    """

    values: Tensor
    tokens: Mapping[str, Tensor]
    lengths: tuple[int, ...]
    labels: Tensor | None
    index: Tensor
    host_labels: Tensor | None = None
    offset: Tensor | None = None

    @property
    def labels_on_host(self) -> Tensor | None:
        """The labels, for what the host computes from them."""
        return self.labels if self.host_labels is None else self.host_labels

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
        if sum(self.lengths[:-1]) < budget:
            return [self]
        parts, first, start, stop = [], 0, 0, 0
        for last, length in enumerate(self.lengths, 1):
            stop += length
            if stop - start >= budget or last == len(self.lengths):
                parts.append(self._part(slice(first, last), slice(start, stop), per_residue))
                first, start = last, stop
        return parts

    def _part(self, proteins: slice, residues: slice, per_residue: bool) -> Batch:
        items = residues if per_residue else proteins
        return Batch(
            self.values[residues],
            {name: codes[residues] for name, codes in self.tokens.items()},
            self.lengths[proteins],
            None if self.labels is None else self.labels[items],
            self.index[proteins],
            None if self.host_labels is None else self.host_labels[items],
            None if self.offset is None else self.offset[proteins],
        )

    def tensors(self) -> list[Tensor]:
        """All that lies on the batch's device."""
        optional = [tensor for tensor in (self.labels, self.offset) if tensor is not None]
        # Ends, positions and owners share memory.
        ends = [self.lengths.ends] if isinstance(self.lengths, BatchLengths) else []
        return [self.values, *self.tokens.values(), *optional, *ends]

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; a GPU's copies are not waited for.

        The index stays where it is, and so do the labels that the host goes by.
        """
        return replace(
            self,
            values=to_device(self.values, device),
            tokens={name: to_device(codes, device) for name, codes in self.tokens.items()},
            lengths=lengths_on(self.lengths, device) if device.type == "cuda" else self.lengths,
            labels=None if self.labels is None else to_device(self.labels, device),
            host_labels=self.labels_on_host,
            offset=None if self.offset is None else to_device(self.offset, device),
        )
