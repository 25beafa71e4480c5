"""Attention within each sequence of a packed batch, on a GPU by one of torch's two kernels.

The variable-length one (FlashAttention behind `torch.nn.attention.varlen`) takes half precision and
heads of up to 256 columns in steps of 8, from compute capability 8.0 on. Heads between the steps
get columns of zeros, which change no score. Wider heads, float32, older cards (V100, T4) and a
torch without the kernel are for the memory-efficient one, by which nested tensors attend, too: its
gradients are the same bits every time where torch is told to be deterministic. It reads rows of 16
bytes: heads between them get columns of zeros as well.
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
    """Whether the variable-length kernel can be had for queries [T, H, head_dim]."""
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


_BYTES = 16


def efficient_takes(query: Tensor) -> bool:
    """Whether the memory-efficient kernel can be had for queries [T, H, head_dim]."""
    if _efficient_kernel is None or not query.is_cuda:
        return False
    if torch.version.cuda is None:  # AMD's kernel takes no packed batches
        return False
    if query.dtype == torch.bfloat16:
        return at_least_ampere(query.device)
    return query.dtype in (torch.float16, torch.float32)


def attend_efficient(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    lengths: Sequence[int],
    scale: float | None = None,
) -> Tensor:
    """As `attend_varlen`, by the memory-efficient kernel.

    Returns
    -------
    Tensor, shape=(T, H * head_dim)
    """
    width = query.shape[-1]
    if padding := -width % (_BYTES // query.element_size()):
        query, key, value = (F.pad(part, (0, padding)) for part in (query, key, value))
    ends, longest = ends_of(lengths, query.device), max(lengths)
    learns = torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value))
    assert _efficient_kernel is not None  # see `efficient_takes`
    packed: Tensor = _efficient_kernel(
        query[None], key[None], value[None], None, ends, ends, longest, longest, 0.0, 0, learns,
        scale=width**-0.5 if scale is None else scale,
    )[0]  # fmt: skip
    return packed[0, ..., :width].flatten(1)


_efficient_kernel = getattr(torch.ops.aten, "_efficient_attention_forward", None)
"""Private to torch, so it may be gone one day: None then, and plain attention takes its place.
Of queries, keys, values [1, T, H, head_dim], a bias, where queries and keys end, the longest of
each, dropout, a mask's type, and whether gradients will be asked for; the first it returns is
[1, T, H, head_dim]."""
