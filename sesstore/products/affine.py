"""y = x W^T + b with weights that are trained, by the matrix unit where there is one, else torch.

Without the unit this is `torch.nn.functional.linear`, to the bit. With it all three products of a
training step are split ones: y, the gradient of x, which is another affine map, and that of W,
whose sum goes over the rows. A weight is packed when it has changed since it was last seen.
"""

from __future__ import annotations

import weakref
from functools import cache

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812
from torch.optim.optimizer import register_optimizer_step_post_hook

from . import amx


class AffineMap(nn.Linear):
    """`torch.nn.Linear` of many rows [T, k]."""

    def forward(self, x: Tensor) -> Tensor:
        """[T, k] to [T, m]."""
        return affine(x, self.weight, self.bias)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Map rows, differentiable once.

    Parameters
    ----------
    x : Tensor, shape=(T, k)
        Many rows: what packing a weight costs is worth some hundred of them.
    weight : Tensor, shape=(m, k)
        Changed by optimisers or operations in place, not through its ``data``.
    bias : Tensor, shape=(m,), optional
        None for none.

    Returns
    -------
    Tensor, shape=(T, m)
    """
    if not _by_amx(x, weight) or (packed := _packed(weight)) is None:
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled() and any(
        t is not None and t.requires_grad for t in (x, weight, bias)
    ):
        y: Tensor = _Affine.apply(x, weight, bias, packed)  # type: ignore[no-untyped-call]
        return y
    return packed.affine(x, bias)


def _by_amx(x: Tensor, weight: Tensor) -> bool:
    return (
        x.ndim == 2
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and amx.takes(weight)
    )


class _Affine(torch.autograd.Function):
    """The map with its gradients."""

    @staticmethod
    def forward(ctx, x, weight, bias, packed):  # type: ignore[no-untyped-def, override]
        ctx.save_for_backward(x, weight)
        return packed.affine(x, bias)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx, grad):  # type: ignore[no-untyped-def, override]
        x, weight = ctx.saved_tensors
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _product(grad, weight.T)
        if ctx.needs_input_grad[1]:
            of_weight = _product(grad.T, x.T)
        if ctx.needs_input_grad[2]:
            of_bias = grad.sum(0)
        return of_x, of_weight, of_bias, None


def _product(rows: Tensor, columns: Tensor) -> Tensor:
    """[m, k] times [n, k] transposed, in float32."""
    packed = amx.pack(columns)
    return F.linear(rows, columns) if packed is None else packed.affine(rows)


_weights: dict[int, tuple[weakref.ref[Tensor], tuple[int, int], amx.PackedWeight | None]] = {}
"""Packed weights by the identity of the tensor, with its version; gone when the tensor is."""


def _packed(weight: Tensor) -> amx.PackedWeight | None:
    """The weight as packed last, if it has not changed, or packed now."""
    if weight.is_inference():  # has no count of its changes
        return amx.pack(weight)
    _watch_optimisers()
    key, version = id(weight), (weight._version, weight.data_ptr())
    entry = _weights.get(key)
    if entry is not None and entry[0]() is weight and entry[1] == version:
        return entry[2]
    # Workers that come here at once each pack for themselves: to wait for one takes as long.
    packed = amx.pack(weight)
    _weights[key] = weakref.ref(weight, lambda _: _weights.pop(key, None)), version, packed
    return packed


@cache
def _watch_optimisers() -> None:
    """Forget what was packed after a step of any optimiser: fused ones do not count as changes."""
    register_optimizer_step_post_hook(lambda *_: _weights.clear())
