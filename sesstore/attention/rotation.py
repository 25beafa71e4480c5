"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864) of packed batches.

Each dimension i of a head is turned together with i + head_dim / 2, by the angle of its place and
frequency. Our CPU kernel does it while it reads; what is here makes its table, and turns where
another kernel attends: on a GPU by one kernel of our own, in place if no gradient is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from . import fused
from .lengths import Lengths

BASE = 10000.0


def frequencies(head_dim: int, dtype: torch.dtype = torch.float32, *, base: float = BASE) -> Tensor:
    """Angle a place of each pair of a head, by the paper's formula: [head_dim / 2]."""
    return base ** -(torch.arange(0, head_dim, 2, dtype=dtype) / head_dim)


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
        self._lengths, self._device = lengths, device
        self._frequencies, self._exact = tuple(frequencies.tolist()), frequencies.dtype
        self._rows: dict[torch.dtype, Tensor] = {}

    def table(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Cosines, then sines, of each place: [at least longest, head_dim]."""
        places = 1 << max(self._lengths, default=0).bit_length()
        return _table(self._frequencies, places, self._exact, dtype, self._device)

    def rows(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Cosines, then sines, of each row's place: [T, head_dim]; looked up once a batch."""
        if dtype not in self._rows:
            table = self.table(dtype)
            self._rows[dtype] = (
                table.index_select(0, self._lengths.positions)
                if isinstance(self._lengths, Lengths)
                else torch.cat([table[:length] for length in self._lengths])
            )
        return self._rows[dtype]

    def __call__(self, x: Tensor) -> Tensor:
        """Turn queries or keys [T, H, head_dim]; differentiable."""
        exact = torch.float64 if x.dtype == torch.float64 else torch.float32
        turned: Tensor = _Turn.apply(x, self.rows(exact))  # type: ignore[no-untyped-call]
        return turned

    def turn_(self, x: Tensor) -> None:
        """Turn queries or keys [T, H, head_dim] in place, heads side by side; no gradient."""
        if (kernels := fused.kernels(x)) is not None:
            kernels.rotate(x, self.rows(), x)
        else:
            x.copy_(self(x))


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
    def forward(ctx, x: Tensor, rows: Tensor) -> Tensor:  # type: ignore[no-untyped-def, override]
        ctx.save_for_backward(rows)
        return _turned(x, rows)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def, override]
        (rows,) = ctx.saved_tensors
        return _turned(grad, rows, back=True), None


def _turned(x: Tensor, rows: Tensor, *, back: bool = False) -> Tensor:
    """Turn [T, H, head_dim] by angles, or back: their cosines, then sines, [T, head_dim]."""
    if x.stride(-1) == 1 and rows.dtype == torch.float32 and (kernels := fused.kernels(x)):
        out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        kernels.rotate(x, rows, out, back=back)
        return out
    cos, sin = rows[:, None].chunk(2, -1)
    if back:
        sin = -sin
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1).to(x.dtype)
