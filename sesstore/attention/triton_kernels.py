"""Our kernels for CUDA devices, in Triton: rotation, and addition with normalisation, in one pass.

Imported only by `fused`, and only where Triton is. Every kernel works row by row, and a row's
result depends on nothing but that row: neighbours change no bit. Arithmetic is in float32.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, index"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_ROWS = 16
"""Rows of one program of the rotation."""


@triton.jit
def _rotate(
    x, out, table, rows, heads, x_row, x_head, out_row, out_head,
    BACK: tl.constexpr, HALF: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Turn all heads of some rows; angles are read once a row."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    column = tl.arange(0, WIDE)[None, :]
    real = (row < rows) & (column < HALF)
    cos = tl.load(table + row * (2 * HALF) + column, real, 0.0)
    sin = tl.load(table + row * (2 * HALF) + HALF + column, real, 0.0)
    if BACK:
        sin = -sin
    source = x + row * x_row + column
    target = out + row * out_row + column
    for _ in range(heads):
        first = tl.load(source, real, 0.0).to(tl.float32)
        second = tl.load(source + HALF, real, 0.0).to(tl.float32)
        tl.store(target, (first * cos - second * sin).to(out.dtype.element_ty), real)
        tl.store(target + HALF, (second * cos + first * sin).to(out.dtype.element_ty), real)
        source += x_head
        target += out_head


def rotate(x: Tensor, table: Tensor, out: Tensor, *, back: bool = False) -> None:
    """Turn queries or keys; see `rotation`.

    Parameters
    ----------
    x, out : Tensor, shape=(T, H, head_dim)
        Rows and heads may be apart, as in a view of packed queries, keys and values. They may be
        the same memory.
    table : Tensor, shape=(T, head_dim), dtype=float32
        Cosines, then sines, of each row's place; contiguous.
    back : bool
        Turn by the angles' negatives, as gradients are.
    """
    rows, heads, width = x.shape
    half = width // 2
    with torch.cuda.device_of(x):
        _rotate[(triton.cdiv(rows, _ROWS),)](
            x, out, table, rows, heads, x.stride(0), x.stride(1), out.stride(0), out.stride(1),
            back, half, triton.next_power_of_2(half), _ROWS, num_warps=4,
        )  # fmt: skip


@triton.jit
def _normalise(
    x, branch, weight, shift, out, columns, x_row, out_row, eps,
    ADDS: tl.constexpr, KEEPS: tl.constexpr, SHIFTS: tl.constexpr, CENTRES: tl.constexpr,
    WIDE: tl.constexpr,
):  # fmt: skip
    """Normalise one row, after adding a branch to it and keeping the sum or the result."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, WIDE)
    real = column < columns
    value = tl.load(x + row * x_row + column, real, 0.0).to(tl.float32)
    if ADDS:
        value += tl.load(branch + row * columns + column, real, 0.0).to(tl.float32)
        if KEEPS == "sum":
            tl.store(x + row * x_row + column, value, real)
    if CENTRES:
        value = tl.where(real, value - tl.sum(value, 0) / columns, 0.0)
    variance = tl.sum(value * value, 0) / columns
    value = value * tl.rsqrt(variance + eps) * tl.load(weight + column, real, 0.0)
    if SHIFTS:
        value += tl.load(shift + column, real, 0.0)
    if KEEPS == "result":
        tl.store(x + row * x_row + column, value, real)
    tl.store(out + row * out_row + column, value.to(out.dtype.element_ty), real)


def normalise(
    x: Tensor,
    branch: Tensor | None,
    weight: Tensor,
    shift: Tensor | None,
    eps: float,
    out: Tensor,
    *,
    keeps: str = "sum",
    centres: bool = True,
) -> None:
    """Layer normalisation, or that by the root mean square, of rows, with a branch added first.

    Parameters
    ----------
    x : Tensor, shape=(T, d)
        Columns contiguous. Changed in place if there is a branch, or the result is kept.
    branch : Tensor, shape=(T, d), optional
        Added to x in float32; contiguous.
    weight, shift : Tensor, shape=(d,), dtype=float32
        The shift may be None.
    eps : float
        Added to the variance.
    out : Tensor, shape=(T, d)
        Takes the result; columns contiguous. May be x.
    keeps : str
        What x holds afterwards: ``"sum"`` with the branch, or the ``"result"``.
    centres : bool
        Subtract the mean (layer normalisation); do not (by the root mean square).
    """
    rows, columns = x.shape
    wide = triton.next_power_of_2(columns)
    with torch.cuda.device_of(x):
        _normalise[(rows,)](
            x, branch, weight, shift, out, columns, x.stride(0), out.stride(0), eps,
            branch is not None, keeps, shift is not None, centres, wide,
            num_warps=min(max(wide // 256, 1), 16),
        )  # fmt: skip


def check(device: torch.device) -> None:
    """Compile and run both kernels on a few rows; raises what goes wrong.

    Raises
    ------
    ArithmeticError
        They give other numbers than torch.
    """
    x = torch.linspace(-2, 3, 5 * 3 * 8, device=device).view(5, 3, 8)
    table = torch.linspace(-1, 1, 5 * 8, device=device).view(5, 8)
    cos, sin = table[:, None].chunk(2, -1)
    first, second = x.chunk(2, -1)
    turned = torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
    out = torch.empty_like(x)
    rotate(x, table, out)
    rows, weight = x.flatten(1), torch.linspace(0.5, 1.5, 24, device=device)
    normed = torch.nn.functional.layer_norm(2 * rows, (24,), weight, weight)
    result, total = torch.empty_like(rows), rows.clone()
    normalise(total, rows, weight, weight, 1e-5, result)
    for computed, expected in ((out, turned), (result, normed), (total, 2 * rows)):
        if not torch.allclose(computed, expected, atol=1e-5, rtol=1e-5):
            raise ArithmeticError("the kernels give wrong numbers on this device")
