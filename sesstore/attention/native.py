"""Attention on x86-64 CPUs in float32: what checks and calls the compiled kernel.

The kernel is compiled when the package is installed, once for AVX2 and once for AVX-512. Where no
compiler was there, or the processor has neither, torch's attention takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..threads import share_out


def takes(query: Tensor, heads: int) -> bool:
    """Whether the kernel can be had for packed queries [T, d]."""
    if query.device.type != "cpu" or query.dtype != torch.float32:
        return False
    compiled = kernel()
    return compiled is not None and query.shape[-1] // heads <= compiled.WIDEST


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
    turns: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """Attention within each sequence, differentiable without a bias.

    Parameters
    ----------
    query, key_value, lengths, heads, scale
        As of `packed.attend`.
    turns : Tensor, shape=(at least longest, head_dim), optional
        Cosines, then sines, of the places; see `Rotation.table`.
    bias : Tensor, shape=(H, 2 n + 1), optional
        Added to the scores, by the key's place less the query's, from -n to n; n at least
        the longest less 1.

    Returns
    -------
    Tensor, shape=(T, d)
    """
    call = _KernelCall(tuple(lengths), heads, scale, turns, bias)
    if torch.is_grad_enabled() and (query.requires_grad or key_value.requires_grad):
        if bias is not None:
            raise InputError("attention with a bias has no gradient: call it under torch.no_grad()")
        attended: Tensor = _Attention.apply(query, key_value, call)  # type: ignore[no-untyped-call]
        return attended
    return call.forward(_rows(query), _rows(key_value))


class _Attention(torch.autograd.Function):
    """The kernel with its gradient; rotation included."""

    @staticmethod
    def forward(ctx, query, key_value, call):  # type: ignore[no-untyped-def, override]
        query, key_value = _rows(query), _rows(key_value)
        logs = torch.empty(len(query), call.heads)
        out = call.forward(query, key_value, logs)
        ctx.save_for_backward(query, key_value, out, logs)
        ctx.call = call
        return out

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def, override]
        query, key_value, out, logs = ctx.saved_tensors
        return *ctx.call.backward(query, key_value, out, logs, grad.contiguous()), None


def _rows(x: Tensor) -> Tensor:
    """The tensor, its rows made contiguous if they were not."""
    # Rows may lie apart, as those of a slice of [T, 3, d] do: the kernel takes a stride of rows.
    steps = [1] if x.ndim == 2 else [x.shape[-1], 1]
    return x if list(x.stride()[1:]) == steps else x.contiguous()


@dataclass(frozen=True, eq=False)
class _KernelCall:
    """A call of the kernel: its arguments beside queries, keys and values; see `attend`."""

    lengths: tuple[int, ...]
    heads: int
    scale: float
    turns: Tensor | None
    bias: Tensor | None

    def forward(self, query: Tensor, key_value: Tensor, logs: Tensor | None = None) -> Tensor:
        """Attend; `logs` [T, H] takes the logarithms of the sums that gradients need."""
        out = torch.empty(query.shape)
        self._run("forward", query, key_value, out, logs, None, None, None, None)
        return out

    def backward(
        self, query: Tensor, key_value: Tensor, out: Tensor, logs: Tensor, grad: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients of queries, and of keys and values."""
        of_query, of_both = torch.empty(query.shape), torch.empty(key_value.shape)
        gradients = of_query, of_both[:, 0], of_both[:, 1]
        self._run("backward", query, key_value, out, logs, grad, *gradients)
        return of_query, of_both

    def _run(self, name: str, query: Tensor, key_value: Tensor, *results: Tensor | None) -> None:
        width = query.shape[-1]
        sizes = np.array(self.lengths, np.int64)
        self._check(query, key_value, sizes)
        tensors = (query, key_value[:, 0], key_value[:, 1], self.turns, self.bias)
        for x in (*tensors, *results):
            if x is not None and (x.dtype, x.device.type) != (torch.float32, "cpu"):
                raise InputError(
                    f"the kernel takes float32 on the CPU, not {x.dtype} on {x.device}"
                )
        # The kernel gets bare addresses. All they point to is held by this frame until it returns:
        # `tensors`, `results` and `sizes` must stay bound, and keys and values must be views.
        addresses = (*map(_address, tensors), sizes.ctypes.data, *map(_address, results))
        reach = 0 if self.bias is None else self.bias.shape[1] // 2
        function = getattr(kernel(), name)
        # Rows of keys and values are as far apart as the caller's tensor has them; those of their
        # gradients, [T, 2, d] made in `backward`, are 2 d numbers apart.

        # The kernel releases the GIL. Threads write disjoint columns, those of their heads, so that
        # neither locks nor the number of threads touch a result's bits.
        def work(first: int, last: int) -> None:
            function(
                addresses, query.stride(0), key_value.stride(0), 2 * width, reach, len(sizes),
                self.heads, width // self.heads, first, last, self.scale,
            )  # fmt: skip

        share_out(work, self.heads, torch.get_num_threads())

    def _check(self, query: Tensor, key_value: Tensor, sizes: np.ndarray[Any, Any]) -> None:
        """Raise `InputError` for what would make the kernel, which checks nothing, leave memory."""
        rows, width = query.shape
        head_dim, longest = width // self.heads, int(sizes.max(initial=0))
        widest = 0 if (compiled := kernel()) is None else compiled.WIDEST
        if sizes.sum() != rows or sizes.min(initial=1) <= 0:
            raise InputError(
                f"lengths {self.lengths} are not those of {rows} rows. Give each its rows"
            )
        if width != head_dim * self.heads or not 0 < head_dim <= widest:
            raise InputError(f"{self.heads} heads of {width} columns, of {widest} each at most")
        if key_value.shape != (rows, 2, width):
            raise InputError(f"keys and values are {list(key_value.shape)}, not {[rows, 2, width]}")
        if (turns := self.turns) is not None and not (
            turns.is_contiguous() and turns.shape[1:] == (head_dim,) and len(turns) >= longest
        ):
            raise InputError(f"turns {list(turns.shape)} do not fit {longest} rows of {head_dim}")
        if (bias := self.bias) is not None and not (
            bias.is_contiguous()
            and len(bias) == self.heads
            and bias.shape[1] % 2
            and bias.shape[1] >= 2 * longest - 1
        ):
            raise InputError(f"a bias {list(bias.shape)} does not fit {longest} rows")


def _address(x: Tensor | None) -> int:
    return 0 if x is None else x.data_ptr()
