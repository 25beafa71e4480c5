"""Attention within each sequence of a packed batch on a CUDA device, for what FlashAttention lacks.

Torch's memory-efficient kernel takes float32, heads of any width, and cards before Ampere; nested
tensors attend by it in just this way. Its gradients are the same bits every time where torch is
told to be deterministic. It reads rows of 16 bytes: heads between them get columns of zeros, which
change no score.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from .cuda import at_least_ampere
from .varlen import ends_of

_BYTES = 16


def takes(query: Tensor) -> bool:
    """Whether the kernel can be had for queries [T, H, head_dim]."""
    if _kernel is None or not query.is_cuda:
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
    """Softmax attention within each sequence, differentiable; arguments as of `attend_varlen`.

    Returns
    -------
    Tensor, shape=(T, H * head_dim)
    """
    width = query.shape[-1]
    if padding := -width % (_BYTES // query.element_size()):
        query, key, value = (F.pad(part, (0, padding)) for part in (query, key, value))
    ends, longest = ends_of(lengths, query.device), max(lengths)
    learns = torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value))
    assert _kernel is not None  # see `takes`
    packed: Tensor = _kernel(
        query[None], key[None], value[None], None, ends, ends, longest, longest, 0.0, 0, learns,
        scale=width**-0.5 if scale is None else scale,
    )[0]  # fmt: skip
    return packed[0, ..., :width].flatten(1)


_kernel = getattr(torch.ops.aten, "_efficient_attention_forward", None)
"""Private to torch, so it may be gone one day: None then, and plain attention takes its place.
Of queries, keys, values [1, T, H, head_dim], a bias, where queries and keys end, the longest of
each, dropout, a mask's type, and whether gradients will be asked for; the first it returns is
[1, T, H, head_dim]."""
