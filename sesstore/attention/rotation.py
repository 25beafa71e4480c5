"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864) of packed batches.

Each dimension i of a head is turned together with i + head_dim / 2, by the angle of its place and
frequency. Our kernel does it while it reads; what is here makes its table, and turns where another
kernel attends.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

BASE = 10000.0


def frequencies(head_dim: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Angle a place of each pair of a head, by the paper's formula: [head_dim / 2]."""
    return BASE ** -(torch.arange(0, head_dim, 2, dtype=dtype) / head_dim)


class Rotation:
    """The rotation of one packed batch.

    Parameters
    ----------
    frequencies : Tensor, shape=(head_dim / 2,)
        Angle a place. Angles are computed in its type.
    lengths : sequence of int
        Rows of each sequence; places count from 0 in each.
    device : torch.device
        The batch's.
    """

    def __init__(
        self, frequencies: Tensor, lengths: Sequence[int], device: torch.device | None = None
    ) -> None:
        self._lengths, self._device = list(lengths), device
        self._frequencies, self._exact = tuple(frequencies.tolist()), frequencies.dtype
        self._rows: dict[torch.dtype, Tensor] = {}

    def table(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Cosines, then sines, of each place: [at least longest, head_dim]."""
        places = 1 << max(self._lengths, default=0).bit_length()
        return _table(self._frequencies, places, self._exact, dtype, self._device)

    def __call__(self, x: Tensor) -> Tensor:
        """Turn queries or keys [T, H, head_dim]; differentiable."""
        if x.dtype not in self._rows:
            table = self.table(torch.float64 if x.dtype == torch.float64 else torch.float32)
            self._rows[x.dtype] = torch.cat([table[:length] for length in self._lengths])[:, None]
        cos, sin = self._rows[x.dtype].chunk(2, -1)
        turned: Tensor = _Turn.apply(x, cos, sin)  # type: ignore[no-untyped-call]
        return turned


@lru_cache(maxsize=16)
def _table(
    frequencies: tuple[float, ...],
    places: int,
    exact: torch.dtype,
    dtype: torch.dtype,
    device: torch.device | None,
) -> Tensor:
    with torch.inference_mode(False):  # kept beyond the call that first needs it
        place = torch.arange(places, dtype=exact)[:, None]
        angles = place * torch.tensor(frequencies, dtype=exact)
        return torch.cat([angles.cos(), angles.sin()], 1).to(device, dtype)


class _Turn(torch.autograd.Function):
    """The turn, whose gradient is the turn back: nothing of the batch is kept for it."""

    @staticmethod
    def forward(ctx, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:  # type: ignore[no-untyped-def, override]
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def, override]
        cos, sin = ctx.saved_tensors
        return _turned(grad, cos, -sin), None, None


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    one, two = x.chunk(2, -1)
    return torch.cat([one * cos - two * sin, two * cos + one * sin], -1).to(x.dtype)
