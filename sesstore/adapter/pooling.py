"""From residues to proteins: [T, d] packed in, [B, width] out; real residues only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .packed_operations import gapped, membership, membership_padded


class Pooling(nn.Module):
    """What poolings have in common: the width of what they return.

    Parameters
    ----------
    width : int
        Of a residue.
    """

    out_width: int

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_width = width


class Attention1d(Pooling):
    """Weighted mean: weights are the softmax, within a protein, of one learned score a residue."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.score = nn.Linear(width, 1, bias=False)  # a bias would cancel in the softmax

    def weights(self, x: Tensor, lengths: Sequence[int]) -> tuple[Tensor, ...]:
        """Return each protein's weights over its residues, summing to 1."""
        return tuple(part.softmax(0) for part in torch.split(self.score(x)[:, 0], list(lengths)))

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Pool packed residues."""
        if x.is_cuda:
            return self.pool_at_once(x, lengths)
        parts = zip(self.weights(x, lengths), torch.split(x, list(lengths)), strict=True)
        return torch.stack([weights.to(part.dtype) @ part for weights, part in parts])

    def pool_at_once(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """As `forward`, by one softmax and one product in x's own type."""
        residues = membership(lengths, x.device)
        with torch.autocast(x.device.type, enabled=False):
            return torch.where(residues, self.score(x)[:, 0], -torch.inf).softmax(-1) @ x


class Mean(Pooling):
    """Plain mean over residues."""

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Pool packed residues."""
        if x.is_cuda:
            return self.pool_at_once(x, lengths)
        return torch.stack([part.mean(0) for part in torch.split(x, list(lengths))])

    def pool_at_once(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """As `forward`, by one product in x's own type."""
        residues = membership(lengths, x.device).to(x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            return (residues @ x) / residues.sum(-1, keepdim=True)


class LightAttention(Pooling):
    """Light attention (Stärk et al. 2021, doi:10.1093/bioadv/vbab035).

    Two convolutions over the sequence give features and, by a softmax over positions for each
    channel, weights; the weighted sum and the maximum of the features stand side by side. Each
    protein is convolved by itself, so neither sees other proteins or padding.
    """

    def __init__(self, width: int, kernel: int = 9) -> None:
        super().__init__(width)
        self.feature = nn.Conv1d(width, width, kernel, padding=kernel // 2)
        self.attention = nn.Conv1d(width, width, kernel, padding=kernel // 2)
        self.out_width = 2 * width

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Pool packed residues."""
        if x.is_cuda:
            return self.pool_at_once(x, lengths)
        return torch.stack(
            [self._pool_protein(part.T[None]) for part in torch.split(x, list(lengths))]
        )

    def _pool_protein(self, x: Tensor) -> Tensor:
        features = self.feature(x)
        weights = self.attention(x).softmax(-1)
        return torch.cat([(features * weights).sum(-1), features.amax(-1)], -1)[0]

    def pool_at_once(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """As `forward`, by one convolution over all proteins with zeros between them.

        Only then are proteins padded to one length, for the softmax and the maximum.
        """
        gap, longest, count = self.feature.kernel_size[0] // 2, max(lengths), len(lengths)
        rows, places = gapped(tuple(lengths), gap, x.device)
        spaced = x.new_zeros(len(places), x.shape[1]).index_copy(0, rows, x).T[None]
        residues = membership_padded(lengths, x.device)[..., None]

        def padded(convolved: Tensor) -> Tensor:
            empty = convolved.new_zeros(count * longest + len(places), x.shape[1])
            moved = empty.index_copy(0, places, convolved[0].T)
            return moved[: count * longest].view(count, longest, -1)

        features = padded(self.feature(spaced))
        weights = padded(self.attention(spaced)).masked_fill(~residues, -torch.inf).softmax(1)
        highest = features.masked_fill(~residues, -torch.inf).amax(1)
        return torch.cat([(features * weights).sum(1), highest], -1)


POOLINGS: dict[str, type[Pooling]] = {
    "attention1d": Attention1d,
    "mean": Mean,
    "light_attention": LightAttention,
}
"""Poolings by name; ``"residue"`` stands for none."""
