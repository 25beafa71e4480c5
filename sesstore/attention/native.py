"""Attention on x86-64 CPUs in float32: what checks and calls the compiled kernel.

The kernel is compiled when the package is installed, once for AVX2 and once for AVX-512. Where no
compiler was at hand, or the processor has neither, torch's attention takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

_WIDEST = 512
"""Columns of a head the kernel has room for."""


def takes(query: Tensor, heads: int) -> bool:
    """Whether the kernel can be had for packed queries [T, d]."""
    plain = query.device.type == "cpu" and query.dtype == torch.float32
    return plain and query.shape[-1] // heads <= _WIDEST and kernel() is not None


@cache
def kernel() -> Any | None:
    """Return the kernel compiled for this processor, or None."""
    capability = torch.backends.cpu.get_cpu_capability()
    name = {"AVX2": "_avx2", "AVX512": "_avx512"}.get(capability)
    try:
        return name and import_module(f"{__package__}.{name}")
    except ImportError:
        return None


def attend(
    query: Tensor,
    key_value: Tensor,
    lengths: Sequence[int],
    heads: int,
    scale: float,
    turns: Tensor | None,
    bias: Tensor | None = None,
) -> Tensor:
    """Attention within each sequence; arguments as of `packed.attend`, turns [longest, head_dim]."""
    if torch.is_grad_enabled() and (query.requires_grad or key_value.requires_grad):
        assert bias is None
        made: Tensor = _Attention.apply(  # type: ignore[no-untyped-call]
            query, key_value, tuple(lengths), heads, scale, turns
        )
        return made
    return _forward(query, key_value, lengths, heads, scale, turns, bias)[0]


class _Attention(torch.autograd.Function):
    """The kernel with its gradient; rotation included."""

    @staticmethod
    def forward(ctx, query, key_value, lengths, heads, scale, turns):  # type: ignore[no-untyped-def, override]
        query, key_value = _rows(query), _rows(key_value)
        logs = query.new_empty(len(query), heads)
        out, _ = _forward(query, key_value, lengths, heads, scale, turns, None, logs)
        ctx.save_for_backward(query, key_value, out, logs)
        ctx.how = lengths, heads, scale, turns
        return out

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def, override]
        query, key_value, out, logs = ctx.saved_tensors
        lengths, heads, scale, turns = ctx.how
        grad = grad.contiguous()
        of_query, of_key_value = torch.empty_like(out), torch.empty(key_value.shape)
        _run(
            "backward", query, key_value, lengths, heads, scale, turns, None,
            (out, logs, grad, of_query, of_key_value[:, 0], of_key_value[:, 1]),
        )  # fmt: skip
        return of_query, of_key_value, None, None, None, None


def _forward(
    query: Tensor,
    key_value: Tensor,
    lengths: Sequence[int],
    heads: int,
    scale: float,
    turns: Tensor | None,
    bias: Tensor | None,
    logs: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    query, key_value = _rows(query), _rows(key_value)
    out = torch.empty(query.shape)
    _run(
        "forward", query, key_value, lengths, heads, scale, turns, bias,
        (out, logs, None, None, None, None),
    )  # fmt: skip
    return out, logs


def _rows(x: Tensor) -> Tensor:
    """The tensor, its rows made contiguous if they were not."""
    steps = [1] if x.ndim == 2 else [x.shape[-1], 1]
    return x if list(x.stride()[1:]) == steps else x.contiguous()


def _run(
    name: str,
    query: Tensor,
    key_value: Tensor,
    lengths: Sequence[int],
    heads: int,
    scale: float,
    turns: Tensor | None,
    bias: Tensor | None,
    others: tuple[Tensor | None, ...],
) -> None:
    width = query.shape[-1]
    sizes = np.array(lengths, np.int64)
    assert sizes.sum() == len(query) == len(key_value)
    assert sizes.min(initial=1) > 0
    assert width % heads == 0
    assert key_value.shape[1:] == (2, width)
    assert turns is None or (turns.is_contiguous() and turns.shape[1] == width // heads)
    assert turns is None or len(turns) >= sizes.max(initial=0)
    reach = 0
    if bias is not None:
        assert bias.is_contiguous() and len(bias) == heads
        reach = bias.shape[1] // 2
        assert bias.shape[1] % 2 and reach >= sizes.max(initial=0) - 1
    tensors = (query, key_value[:, 0], key_value[:, 1], turns, bias)
    assert all(x is None or x.dtype == torch.float32 for x in (*tensors, *others))
    addresses = (*map(_address, tensors), sizes.ctypes.data, *map(_address, others))
    function = getattr(kernel(), name)

    def work(first: int, last: int) -> None:
        function(
            addresses, query.stride(0), key_value.stride(0), 2 * width, reach, len(sizes), heads,
            width // heads, first, last, scale,
        )  # fmt: skip

    _over_heads(work, heads, torch.get_num_threads())


def _address(x: Tensor | None) -> int:
    return 0 if x is None else x.data_ptr()


def _over_heads(work: Callable[[int, int], None], heads: int, threads: int) -> None:
    """Share heads out over as many threads as torch would use here."""
    threads = min(threads, heads)
    if threads == 1:
        work(0, heads)
        return
    ends = [heads * i // threads for i in range(threads + 1)]
    list(_pool(threads).map(work, ends, ends[1:]))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "sesstore-attention")
