"""Attention within each sequence of a packed batch, on a GPU by torch's variable-length kernel.

The kernel (FlashAttention behind `torch.nn.attention.varlen`) takes half precision and heads of up
to 256 columns in steps of 8, from compute capability 8.0 on. Heads between the steps get columns of
zeros, which change no score. Wider heads, float32, older cards (V100, T4) and a torch without the
kernel are for `efficient`.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Sequence
from functools import cache, lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from .cuda import at_least_ampere, to_device
from .lengths import Lengths

_WIDEST, _STEP = 256, 8


def takes(query: Tensor) -> bool:
    """Whether the kernel can be had for queries [T, H, head_dim]."""
    half = query.dtype in (torch.bfloat16, torch.float16)
    if not (query.is_cuda and half and query.shape[-1] <= _WIDEST):
        return False
    return _exists() and at_least_ampere(query.device)


@cache
def _exists() -> bool:
    return importlib.util.find_spec("torch.nn.attention.varlen") is not None


@cache
def _has_scale() -> bool:
    """Whether the kernel takes a scale of the scores, as it does from torch 2.11 on."""
    from torch.nn.attention.varlen import varlen_attn

    return "scale" in inspect.signature(varlen_attn).parameters


def attend_varlen(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    lengths: Sequence[int],
    scale: float | None = None,
) -> Tensor:
    """Softmax attention within each sequence, differentiable.

    Parameters
    ----------
    query, key, value : Tensor, shape=(T, H, head_dim)
        Packed rows; the last axis contiguous.
    lengths : sequence of int
        Rows of each sequence; they sum to T.
    scale : float, optional
        Of the scores; ``head_dim ** -0.5`` by default.

    Returns
    -------
    Tensor, shape=(T, H * head_dim)
    """
    from torch.nn.attention.varlen import varlen_attn

    width = query.shape[-1]
    scale = width**-0.5 if scale is None else scale
    if padding := -width % _STEP:
        query, key, value = (F.pad(part, (0, padding)) for part in (query, key, value))
    options = {}
    if _has_scale():
        options["scale"] = scale
    elif (factor := scale * query.shape[-1] ** 0.5) != 1.0:
        # The kernel divides scores by the root of the width it sees, added columns included.
        query = query * factor
    ends, longest = ends_of(lengths, query.device), max(lengths)
    packed: Tensor = varlen_attn(query, key, value, ends, ends, longest, longest, **options)  # type: ignore[assignment, arg-type]
    return packed[..., :width].flatten(1)


def ends_of(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Where sequences begin, and the end: int32 [B + 1]."""
    return lengths.ends if isinstance(lengths, Lengths) else _ends(tuple(lengths), device)


@lru_cache(maxsize=16)
def _ends(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Where sequences begin, and the end, int32 [B + 1]: one copy a batch and not one a layer."""
    with torch.inference_mode(False):  # kept beyond the call, and saved for gradients
        return to_device(torch.tensor((0, *lengths)).cumsum(0).to(torch.int32), device)
