"""The few operations transformer encoders are made of, on packed rows [T, d].

On a CPU with AVX-512 matrix products in float32 run through oneDNN with weights packed once and
GELU fused in, about a fifth faster than `torch.nn.functional.linear` with MKL. With AVX2 alone it
is the other way round: MKL reached 82 to 86 Gflop/s where oneDNN reached 70 to 77. Where the
processor has a matrix unit for bfloat16, `sesstore.products` multiplies: float32 by split products,
bfloat16 by plain ones whose results, like all between them, are float32.

On a GPU products run `BLOCK` rows at a time. What is added up over the layers, the residual stream,
is held in float32 whatever the type of the products: half precision then rounds each branch once
and the sum never, and the sum cannot overflow. Adding a branch and normalising the sum is one
kernel, which costs what adding in half precision and normalising after it would. What attends is in
`sesstore.attention`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..attention import fused
from ..products import amx

BLOCK = 16384
"""Rows of a product on a GPU: few shapes, and still large. On 132 multiprocessors the products of
ESM-2 t33 are 5 to 20 waves of tiles, whose last ones cost 3 %."""

_ONEDNN = torch.backends.cpu.get_cpu_capability().startswith("AVX512") and all(
    hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight")
)
"""Whether oneDNN's products with packed weights can be had: private to torch, so both are looked
for, and `F.linear` takes their place."""


def result_type(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Type of what products in a type result in, on a device."""
    by_amx = device.type == "cpu" and dtype in amx.TYPES and amx.kernel() is not None
    return torch.float32 if by_amx else dtype


class Linear:
    """An affine map with frozen weights, on packed rows.

    Parameters
    ----------
    weight : Tensor, shape=(m, k)
        On the device and in the type it is to run in.
    bias : Tensor, shape=(m,), optional
        None for none.
    activation : str
        ``"none"``, ``"gelu"`` (exact, by the error function) or ``"relu"``.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, activation: str = "none"
    ) -> None:
        self._bias, self._activation = bias, activation
        self._tiles = amx.pack(weight)
        if self._tiles is not None:  # which take the weight's place
            self._bias = None if bias is None else bias.float().contiguous()
            return
        self._packed = _ONEDNN and weight.device.type == "cpu" and weight.dtype == torch.float32
        self._weight = (
            torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
            if self._packed
            else weight
        )

    def __call__(self, x: Tensor) -> Tensor:
        """[T, k] to [T, m]."""
        if self._tiles is not None:
            return self._tiles.affine(x, self._bias, self._activation)
        if self._packed:
            packed: Tensor = torch.ops.mkldnn._linear_pointwise(
                x, self._weight, self._bias, self._activation, [], "none"
            )
            return packed
        product = self._by_blocks(x) if x.is_cuda else F.linear(x, self._weight, self._bias)
        if self._activation == "gelu":
            gelu: Tensor = torch.ops.aten.gelu_(product)
            return gelu
        return product.relu_() if self._activation == "relu" else product

    def _by_blocks(self, x: Tensor) -> Tensor:
        """The map, so many rows at a time that all products of full blocks have one shape."""
        out, weight = x.new_empty(len(x), len(self._weight)), self._weight.T
        for rows, target in zip(torch.split(x, BLOCK), torch.split(out, BLOCK), strict=True):
            if self._bias is None:
                torch.mm(rows, weight, out=target)
            else:
                torch.addmm(self._bias, rows, weight, out=target)
        return out

    def add(self, x: Tensor, to: Tensor) -> None:
        """Add the map of x [T, k] to rows [T, m] of the same type, in place."""
        if self._tiles is not None:
            self._tiles.affine(x, self._bias, self._activation, into=to)
            return
        if self._packed or self._activation != "none":
            to += self(x)
            return
        to.addmm_(x, self._weight.T)
        if self._bias is not None:
            to += self._bias


class LayerNorm:
    """Layer normalisation with frozen weights.

    Parameters
    ----------
    weight, bias : Tensor, shape=(d,)
        Scale and shift; held in float32. The shift may be None.
    eps : float
        Added to the variance.
    """

    centres = True
    """Whether the mean is subtracted."""

    def __init__(self, weight: Tensor, bias: Tensor | None, eps: float = 1e-5) -> None:
        self.weight, self.eps = weight.float(), eps
        self.bias = None if bias is None else bias.float()

    def __call__(self, x: Tensor) -> Tensor:
        """Rows [T, d] of float32, normalised."""
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)

    def apply_(self, x: Tensor) -> None:
        """Normalise rows [T, d] of any type, and maybe apart, in place."""
        if (kernels := fused.kernels(x)) is not None:
            kernels.normalise(x, None, self.weight, self.bias, self.eps, x, centres=self.centres)
        else:
            x.copy_(self(x.float()))


class RmsNorm(LayerNorm):
    """Normalisation by the root mean square (Zhang & Sennrich 2019), without a shift."""

    centres = False

    def __init__(self, weight: Tensor, eps: float) -> None:
        super().__init__(weight, None, eps)

    def __call__(self, x: Tensor) -> Tensor:
        """Rows [T, d] of float32, normalised."""
        return F.rms_norm(x, x.shape[-1:], self.weight, self.eps)


class Residual:
    """What is added up over the layers: rows [T, d], in float32.

    Parameters
    ----------
    rows : Tensor, shape=(T, d), dtype=float32
        The first layer's input; changed in place.
    dtype : torch.dtype
        Type of the products.
    """

    def __init__(self, rows: Tensor, dtype: torch.dtype) -> None:
        self.rows, self._dtype = rows, dtype
        self._branch: Tensor | None = None
        self._in_place = not rows.is_cuda and dtype == rows.dtype

    def add(self, linear: Linear, x: Tensor) -> None:
        """Add a branch that ends in an affine map of x [T, k]; once between two norms."""
        if self._in_place:
            linear.add(x, self.rows)
        else:
            self._branch = linear(x)

    def settled(self) -> Tensor:
        """The rows so far, [T, d] float32, as they are; changed in place by what is added next."""
        branch, self._branch = self._branch, None
        if branch is not None:
            self.rows += branch
        return self.rows

    def normalised(self, norm: LayerNorm, dtype: torch.dtype | None = None) -> Tensor:
        """The rows so far, normalised, in the products' type or another."""
        return self._through(norm, "sum", dtype or self._dtype)

    def renormalised(self, norm: LayerNorm) -> Tensor:
        """As `normalised`; and go on from there (post-norm)."""
        return self._through(norm, "result", self._dtype)

    def _through(self, norm: LayerNorm, keeps: str, dtype: torch.dtype) -> Tensor:
        branch, self._branch = self._branch, None
        if (kernels := fused.kernels(self.rows)) is not None:
            out = torch.empty_like(self.rows, dtype=dtype)
            kernels.normalise(
                self.rows, branch, norm.weight, norm.bias, norm.eps, out,
                keeps=keeps, centres=norm.centres,
            )  # fmt: skip
            return out
        if branch is not None:
            self.rows += branch
        result = norm(self.rows)
        if keeps == "result":
            self.rows = result
        return result.to(dtype)
