"""Affine maps in float32 on the matrix unit (AMX): what checks and calls the compiled kernel.

The unit multiplies bfloat16. A *split* weight makes float32-class products of three of these, with
a relative error of some 5e-6 where many terms are summed, at most ``ERROR`` of the terms' absolute
values; a *plain* one takes one product with bfloat16's error. Rows hold what they would alone: each
is computed by itself, in the same order whatever is beside it and however many threads there are.

The kernel is compiled at installation where the compiler knows the instructions, and loaded where
processor and system have them. Its first use compares a small product with torch's; if that is
wrong, a warning says so and torch multiplies from then on. ``SESSTORE_AMX=0`` in the environment
leaves it out altogether.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..errors import InputError
from ..threads import share_out

ERROR = {1: 2.0**-7, 2: 2.0**-15}
"""Most that a product of two numbers is off, of its size, by the parts of each."""
ACTIVATIONS = ("none", "gelu", "relu")
"""By the kernel's numbers; GELU is the exact one, by the error function."""
TYPES = (torch.float32, torch.bfloat16)
"""Of weights: split, and plain."""
ROWS = 32
"""Rows the kernel works on at once: threads are given multiples of it."""

_FLAGS = {"amx_tile", "amx_bf16", "avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"}
"""What the kernel is compiled for, as Linux names it where processor and system both have it."""
_TOO_LARGE = (2 - 2.0**-8) * 2.0**127
"""From here on bfloat16 rounds to infinity."""


@cache
def kernel() -> Any | None:
    """Return the compiled kernel where it can run and is right, or None."""
    if os.environ.get("SESSTORE_AMX") == "0" or not _processor_flags() >= _FLAGS:
        return None
    try:
        compiled = import_module(f"{__package__}._amx")
    except ImportError:
        return None
    if not compiled.permit():
        return None
    if wrong := _fault(compiled):
        warnings.warn(
            f"products on this processor's matrix unit are wrong ({wrong}): torch multiplies "
            f"instead. SESSTORE_AMX=0 leaves the unit out without this warning",
            stacklevel=2,
        )
        return None
    return compiled


def _processor_flags(listing: Path = Path("/proc/cpuinfo")) -> set[str]:
    try:
        with listing.open() as lines:
            flags = next((line for line in lines if line.startswith("flags")), ":")
    except OSError:
        return set()
    return set(flags.partition(":")[2].split())


def takes(weight: Tensor) -> bool:
    """Whether the kernel can be had for products with a weight [m, k]."""
    return (
        weight.device.type == "cpu"
        and weight.dtype in TYPES
        and weight.ndim == 2
        and weight.numel() > 0
        and kernel() is not None
    )


def pack(weight: Tensor) -> PackedWeight | None:
    """Pack a weight: split if it is float32, plain if it is bfloat16.

    Parameters
    ----------
    weight : Tensor, shape=(m, k)
        That the kernel `takes`; strides as they are.

    Returns
    -------
    PackedWeight or None
        None where the kernel does not take it, or it holds what bfloat16 cannot: torch multiplies.
    """
    compiled = kernel() if takes(weight) else None
    return None if compiled is None else _pack(compiled, weight.detach())


@dataclass(frozen=True, eq=False)
class PackedWeight:
    """A weight as the kernel reads it; see ``amx.cpp``.

    Parameters
    ----------
    tiles : Tensor, shape=(m / 16, k / 32, parts, 16, 16, 2), dtype=bfloat16
        Numbers of columns in strips of 16, by steps of 32 k in pairs; strips come in twos.
    rows, columns : int
        m and k.
    """

    tiles: Tensor
    rows: int
    columns: int

    @property
    def parts(self) -> int:
        """2 of a split weight, 1 of a plain one."""
        return self.tiles.shape[2]

    def unpacked(self) -> Tensor:
        """Return the weight, [m, k] float32, as far as its parts hold it."""
        weight = self.tiles.float().sum(2).permute(0, 3, 1, 2, 4)  # strip, column; step, pair, k
        return weight.flatten(2).flatten(0, 1)[: self.rows, : self.columns]

    def affine(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        activation: str = "none",
        into: Tensor | None = None,
    ) -> Tensor:
        """Map rows.

        Parameters
        ----------
        x : Tensor, shape=(T, k), dtype=float32 or bfloat16
            Strides as they are.
        bias : Tensor, shape=(m,), dtype=float32, optional
            None for none.
        activation : str
            One of `ACTIVATIONS`.
        into : Tensor, shape=(T, m), dtype=float32, optional
            Rows to add the result to, in place; their columns lie together.

        Returns
        -------
        Tensor, shape=(T, m), dtype=float32
            Rows with what bfloat16 cannot hold (infinite, not a number, beyond 3.39e38) are
            multiplied by torch in float32. Numbers below 2^-126 count as zero.

        Raises
        ------
        InputError
            Shapes or types do not fit.
        """
        compiled = kernel()
        if compiled is None:
            raise InputError("there is no matrix unit here. Ask `amx.takes` before you pack")
        return _affine(compiled, self, x, bias, activation, into)


def _pack(compiled: Any, weight: Tensor) -> PackedWeight | None:
    parts = 2 if weight.dtype == torch.float32 else 1
    weight = weight.float()
    rows, columns = weight.shape
    strips, steps = 2 * -(-rows // 32), -(-columns // 32)
    tiles = weight.new_empty(strips, steps, parts, 16, 16, 2, dtype=torch.bfloat16)
    is_finite = compiled.pack(
        weight.data_ptr(), tiles.data_ptr(), rows, columns, *weight.stride(), parts
    )
    return PackedWeight(tiles, rows, columns) if is_finite else None


def _affine(
    compiled: Any,
    weight: PackedWeight,
    x: Tensor,
    bias: Tensor | None,
    activation: str,
    into: Tensor | None,
) -> Tensor:
    x = x.float()
    y = x.new_empty(len(x), weight.rows) if into is None else into
    _check(weight, x, bias, activation, y)
    if not len(x):
        return y
    # The kernel gets bare addresses: all they point to is held by this frame until it returns.
    addresses = tuple(0 if t is None else t.data_ptr() for t in (x, weight.tiles, bias, y))
    counts: list[int] = []

    # Threads write rows of their own, and a row's sums do not depend on where a stretch begins.
    def work(first: int, last: int) -> None:
        stretch = first * ROWS, min(last * ROWS, len(x))
        remainder = compiled.affine(
            addresses, (*x.shape, *x.stride()), weight.rows, y.stride(0), weight.parts,
            ACTIVATIONS.index(activation), into is not None, *stretch,
        )  # fmt: skip
        counts.append(remainder)

    share_out(work, -(-len(x) // ROWS), torch.get_num_threads())
    if sum(counts):
        _map_remainder(weight, x, bias, activation, y, add=into is not None)
    return y


def _map_remainder(
    weight: PackedWeight, x: Tensor, bias: Tensor | None, activation: str, y: Tensor, add: bool
) -> None:
    """Map the rows that the kernel leaves out: those with numbers that bfloat16 cannot hold."""
    # The kernel's own bound: what was added to must not be added to again.
    rows = (~(x.abs() < _TOO_LARGE)).any(1).nonzero()[:, 0]
    result = F.linear(x[rows], weight.unpacked(), bias)
    if activation != "none":
        result = F.gelu(result) if activation == "gelu" else result.relu()
    y[rows] = y[rows] + result if add else result


def _check(
    weight: PackedWeight, x: Tensor, bias: Tensor | None, activation: str, y: Tensor
) -> None:
    """Raise `InputError` for what would make the kernel, which checks nothing, leave memory."""
    if x.ndim != 2 or x.shape[1] != weight.columns:
        raise InputError(f"rows {list(x.shape)} do not fit a weight of {weight.columns} columns")
    if bias is not None and (bias.shape != (weight.rows,) or not bias.is_contiguous()):
        raise InputError(f"a bias {list(bias.shape)} does not fit a weight of {weight.rows} rows")
    if y.shape != (len(x), weight.rows) or (y.shape[1] > 1 and y.stride(1) != 1):
        raise InputError(f"results {list(y.shape)} are not {[len(x), weight.rows]}, row by row")
    if activation not in ACTIVATIONS:
        raise InputError(f"activation '{activation}' is none of {', '.join(ACTIVATIONS)}")
    for t in (x, y) if bias is None else (x, y, bias):
        if (t.dtype, t.device.type) != (torch.float32, "cpu"):
            raise InputError(f"the kernel takes float32 on the CPU, not {t.dtype} on {t.device}")


def _fault(compiled: Any) -> str:
    """Say how a small product is wrong; nothing where split and plain one are right."""
    chance = torch.Generator("cpu").manual_seed(0)
    x, weight = (
        torch.randn(n, 70, generator=chance, dtype=torch.float32, device="cpu") for n in (45, 50)
    )
    terms = x.abs().double() @ weight.abs().double().T
    for parts, kind in ((2, weight), (1, weight.bfloat16())):
        packed = _pack(compiled, kind)
        if packed is None:
            return "a finite weight is taken for another"
        error = _affine(compiled, packed, x, None, "none", None) - x.double() @ weight.double().T
        worst = float((error.abs() / terms).max())
        if not worst <= ERROR[parts]:
            return f"off by {worst:.1e} of the terms in {parts} part{'s'[: parts - 1]}"
    return ""
