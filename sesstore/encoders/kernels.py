"""The few operations transformer encoders are made of, on packed rows [T, d].

On a CPU in float32 matrix products run through oneDNN with weights packed once, which is about a
fifth faster than `torch.nn.functional.linear` with MKL on the AVX-512 machines measured. GELU is
fused into the product where oneDNN's is the faster one, with AVX-512; with AVX2 fusing cost 13 %
of the product, a pass of its own in place 4 %. Rotary embedding is one complex product in place;
weights are permuted once so that its halves lie side by side, which leaves every score as it was.

What is left between a forward and the matrix-multiply peak is attention: its products run at the
peak, but a score takes about 1 ns for its exponential beside 4 head_dim operations, so heads of 32
cannot pass 60 % of 78 Gflop/s on one such core; torch's flash kernel is at that floor.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from .varlen import attend_varlen, takes

_ONEDNN = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_FUSED_GELU = torch.backends.cpu.get_cpu_capability().startswith("AVX512")


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
        self._fused = self._packed and (activation != "gelu" or _FUSED_GELU)
        self._weight = (
            torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
            if self._packed
            else weight
        )

    def __call__(self, x: Tensor) -> Tensor:
        """[T, k] to [T, m]."""
        if self._packed:
            activation = self._activation if self._fused else "none"
            made: Tensor = torch.ops.mkldnn._linear_pointwise(
                x, self._weight, self._bias, activation, [], "none"
            )
            if self._fused:
                return made
        else:
            made = F.linear(x, self._weight, self._bias)
        if self._activation == "gelu":
            gelu: Tensor = torch.ops.aten.gelu_(made)
            return gelu
        return made.relu_() if self._activation == "relu" else made


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


def interleaved(rows: Tensor, heads: int) -> Tensor:
    """Reorder the rows of a query or key projection so that rotary pairs stand side by side.

    Rotary embedding by halves pairs dimension i with i + head_dim / 2; the pair becomes neighbours,
    to be read as one complex number. Done to queries and keys alike, their products stay the same.

    Parameters
    ----------
    rows : Tensor, shape=(d, ...)
        Weight or bias.
    heads : int
        Number of heads.
    """
    split = rows.view(heads, 2, -1, *rows.shape[1:])
    return split.transpose(1, 2).reshape(rows.shape)


class Rotation:
    """Rotary position embedding (Su et al. 2021, arXiv 2104.09864) of one packed batch.

    Parameters
    ----------
    lengths : sequence of int
        Rows of each sequence; places count from 0 in each.
    heads : int
        Number of heads.
    frequencies : Tensor, shape=(head_dim / 2,)
        Angle a place, float32.
    like : Tensor
        Its device and type are the batch's.
    """

    def __init__(
        self, lengths: Sequence[int], heads: int, frequencies: Tensor, like: Tensor
    ) -> None:
        angles = torch.arange(max(lengths), dtype=torch.float32)[:, None] * frequencies.cpu()
        turns = torch.polar(torch.ones_like(angles), angles)
        turns = torch.cat([turns[:length] for length in lengths])
        self._complex = like.dtype == torch.float32
        # [T, 1, d / 2] where complex; head dimensions are repeated so that the inner loop is long.
        self._turns = turns.repeat(1, heads)[:, None].to(like.device)

    def __call__(self, qk: Tensor) -> None:
        """Rotate queries and keys in place: [T, 2, d] with pairs side by side."""
        pairs = qk.view(*qk.shape[:-1], -1, 2)
        if self._complex:
            torch.view_as_complex(pairs).mul_(self._turns)
        else:
            turned = torch.view_as_complex(pairs.float()) * self._turns
            pairs.copy_(torch.view_as_real(turned))


def attend(qkv: Tensor, lengths: Sequence[int], heads: int) -> Tensor:
    """Attention within each sequence.

    Parameters
    ----------
    qkv : Tensor, shape=(T, 3, d)
        Queries (scaled already), keys and values.
    lengths : sequence of int
        Rows of each sequence.
    heads : int
        Number of heads.

    Returns
    -------
    Tensor, shape=(T, d)
    """
    qkv = qkv.view(*qkv.shape[:-1], heads, -1)
    queries, keys, values = qkv.unbind(1)
    if takes(queries):
        return attend_varlen(queries, keys, values, lengths, scale=1.0)
    parts = [
        F.scaled_dot_product_attention(query, key, value, scale=1.0)[0]
        for query, key, value in (
            part.permute(1, 2, 0, 3)[:, None] for part in torch.split(qkv, list(lengths))
        )
    ]
    return torch.cat([part.transpose(0, 1) for part in parts]).flatten(1)
