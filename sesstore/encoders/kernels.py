"""The few operations transformer encoders are made of, on packed rows [T, d].

On a CPU with AVX-512 matrix products in float32 run through oneDNN with weights packed once and
GELU fused in, about a fifth faster than `torch.nn.functional.linear` with MKL. With AVX2 alone it
is the other way round: MKL reached 82 to 86 Gflop/s where oneDNN reached 70 to 77. What attends is
in `sesstore.attention`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

_ONEDNN = torch.backends.cpu.get_cpu_capability().startswith("AVX512") and hasattr(
    torch.ops.mkldnn, "_linear_pointwise"
)


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
        self._packed = _ONEDNN and weight.device.type == "cpu" and weight.dtype == torch.float32
        self._weight = (
            torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
            if self._packed
            else weight
        )

    def __call__(self, x: Tensor) -> Tensor:
        """[T, k] to [T, m]."""
        if self._packed:
            packed: Tensor = torch.ops.mkldnn._linear_pointwise(
                x, self._weight, self._bias, self._activation, [], "none"
            )
            return packed
        made = F.linear(x, self._weight, self._bias)
        if self._activation == "gelu":
            gelu: Tensor = torch.ops.aten.gelu_(made)
            return gelu
        return made.relu_() if self._activation == "relu" else made

    def add(self, x: Tensor, to: Tensor) -> None:
        """Add the map of x [T, k] to rows [T, m], in place: the end of a residual branch."""
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
        Scale and shift; the shift may be None.
    eps : float
        Added to the variance.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, eps: float = 1e-5) -> None:
        self._weight, self._bias, self._eps = weight, bias, eps

    def __call__(self, x: Tensor) -> Tensor:
        """[T, d] to [T, d]."""
        return F.layer_norm(x, x.shape[-1:], self._weight, self._bias, self._eps)
