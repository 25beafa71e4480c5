"""Attention with a bias by distance, for CUDA devices, in Triton.

The way of FlashAttention-2 (Dao 2023, arXiv 2307.08691): one program attends with a block of
queries of one head of one sequence, key block after key block, with running maxima and sums. The
bias is read from the table of all distances, so that neither a matrix of pairs nor padding is ever
made. Imported only by `fused`, and only where Triton is.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, index"

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

WIDEST = 128
"""Columns of a head that fit on a multiprocessor of any card."""

_NARROW, _WIDE = (64, 64, 4), (128, 32, 8)
"""Rows of a block of queries and of keys, and warps, for heads of up to 64 columns and for wider
ones: the largest whose numbers all stay in registers (compiled for sm_90 by Triton 3.6)."""


@triton.jit
def _attend(
    query, key, value, out, table, ends, query_row, key_row, value_row, out_row,
    reach, scale, log2e,
    WIDTH: tl.constexpr, WIDE: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """Attend with one block of queries of one head of one sequence."""
    head, sequence = tl.program_id(1), tl.program_id(2)
    first = tl.load(ends + sequence)
    length = tl.load(ends + sequence + 1) - first
    start = tl.program_id(0) * QUERIES
    if start >= length:
        return
    column = head * WIDTH + tl.arange(0, WIDE)[None, :]
    real_column = tl.arange(0, WIDE)[None, :] < WIDTH
    row = start + tl.arange(0, QUERIES)
    real_row = (row < length)[:, None]
    place = (first + row).to(tl.int64)[:, None]
    queries = tl.load(query + place * query_row + column, real_row & real_column, 0.0)
    # By the key's place less the query's; its middle is no distance.
    offset = head * (2 * reach + 1) + reach - row[:, None]
    highest = tl.full([QUERIES], float("-inf"), tl.float32)
    total = tl.zeros([QUERIES], tl.float32)
    result = tl.zeros([QUERIES, WIDE], tl.float32)
    # One pass over the keys (Dao et al. 2022, arXiv:2205.14135): sums made under a lower maximum of
    # the scores fade by the difference once a higher one comes. `highest` is finite from the first
    # block on, which has at least one real key.
    for begin in range(0, length, KEYS):
        key_rows = begin + tl.arange(0, KEYS)
        real = key_rows < length
        source = (first + key_rows).to(tl.int64)[:, None]
        keys = tl.load(key + source * key_row + column, real[:, None] & real_column, 0.0)
        scores = tl.dot(queries, tl.trans(keys), input_precision="ieee") * scale
        bias = tl.load(table + (offset + key_rows[None, :]), real_row & real[None, :], 0.0)
        scores = tl.where(real[None, :], (scores + bias.to(tl.float32)) * log2e, float("-inf"))
        above = tl.maximum(highest, tl.max(scores, 1))
        shares = tl.exp2(scores - above[:, None])
        fade = tl.exp2(highest - above)
        total = total * fade + tl.sum(shares, 1)
        values = tl.load(value + source * value_row + column, real[:, None] & real_column, 0.0)
        result = result * fade[:, None] + tl.dot(
            shares.to(values.dtype), values, input_precision="ieee"
        )
        highest = above
    result = result / total[:, None]
    tl.store(
        out + place * out_row + column, result.to(out.dtype.element_ty), real_row & real_column
    )


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ends: Tensor,
    longest: int,
    scale: float,
    table: Tensor,
) -> Tensor:
    """Softmax attention within each sequence.

    Parameters
    ----------
    query, key, value : Tensor, shape=(T, H, head_dim)
        Packed rows in half precision; heads side by side, at most `WIDEST` columns each.
    ends : Tensor, shape=(B + 1,), dtype=int32
        0, and where each sequence ends.
    longest : int
        Rows of the longest sequence.
    scale : float
        Of the scores.
    table : Tensor, shape=(H, 2 n + 1)
        Added to the scores; see `OffsetBias`.

    Returns
    -------
    Tensor, shape=(T, H * head_dim)
    """
    rows, heads, width = query.shape
    out = torch.empty(rows, heads * width, dtype=query.dtype, device=query.device)
    queries, keys, warps = _NARROW if width <= 64 else _WIDE
    grid = (triton.cdiv(longest, queries), heads, len(ends) - 1)
    with torch.cuda.device_of(query):
        _attend[grid](
            query, key, value, out, table, ends, query.stride(0), key.stride(0),
            value.stride(0), out.stride(0), table.shape[1] // 2, scale, math.log2(math.e), width,
            max(triton.next_power_of_2(width), 16), queries, keys, num_warps=warps, num_stages=2,
        )  # fmt: skip
    return out


def check(device: torch.device) -> None:
    """Compile and run the kernel on a few rows; raises what goes wrong.

    Raises
    ------
    ArithmeticError
        It gives other numbers than torch.
    """
    rows, heads, width = 70, 2, 16
    spread = torch.linspace(-2, 2, 3 * rows * heads * width, device=device)
    qkv = torch.sin(97 * spread).half().view(rows, 3, heads, width)
    table = torch.linspace(-1, 1, heads * (2 * rows + 1), device=device).view(heads, -1).half()
    ends = torch.tensor([0, rows], dtype=torch.int32, device=device)
    out = attend(qkv[:, 0], qkv[:, 1], qkv[:, 2], ends, rows, 0.5, table)
    query, key, value = qkv.float().permute(1, 2, 0, 3)
    place = torch.arange(rows, device=device)
    bias = table.float()[:, place - place[:, None] + rows]
    expected = (query @ key.transpose(1, 2) * 0.5 + bias).softmax(-1) @ value
    if not torch.allclose(out.float(), expected.transpose(0, 1).flatten(1), atol=5e-3):
        raise ArithmeticError("the kernel gives wrong numbers on this device")
