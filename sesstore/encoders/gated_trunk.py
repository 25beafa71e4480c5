"""The trunk that ESM C, AMPLIFY and E1 share: pre-norm layers, rotary positions, SwiGLU, no biases.

Weights go by the names transformers gives ESM C's; a family reads its origin's files and names them
so. What one model has and another has not is told by the weights (norms of queries and keys, shifts
of norms) and by `GatedShape`. The last layer stands after the final norm, and the others do not.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..attention.lengths import Lengths
from ..attention.packed import attend_within
from ..attention.rotation import BASE, Rotation, frequencies
from ..errors import WeightsError
from .base import PackedEncoder
from .devices import stored_type
from .hidden_states import States, pre_norm_states
from .kernels import LayerNorm, Linear, Residual, RmsNorm
from .tokeniser import PackedTokens

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class GatedShape:
    """What shapes the forward beside the weights.

    Parameters
    ----------
    heads : int
    scale : float
        Of residual branches.
    rms_eps : float, optional
        Of norms by the root mean square; None for layer norms.
    clip : float, optional
        Largest size of a query's, key's or value's entry.
    bases : tuple of float
        Of rotary frequencies, one a layer in turn, over and over.
    """

    heads: int
    scale: float = 1.0
    rms_eps: float | None = None
    clip: float | None = None
    bases: tuple[float, ...] = (BASE,)

    def base(self, layer: int) -> float:
        """Base of a layer's rotary frequencies."""
        return self.bases[layer % len(self.bases)]


class GatedEncoder(PackedEncoder):
    """An encoder with this trunk; see `PackedEncoder`."""

    family = ""
    """What people call the family."""

    @abstractmethod
    def read(self) -> tuple[State, GatedShape]:
        """Read the weights, by the names of ESM C's."""

    def build(self) -> _Trunk:
        """Read the weights and check that they are of this size."""
        state, shape = self.read()
        layers = len({n.split(".")[1] for n in state if n.startswith("layers.")})
        embedding = state.get("embed_tokens.weight")
        dim = 0 if embedding is None else embedding.shape[1]
        if (layers, dim) != (self.spec.layers, self.spec.dim):
            raise WeightsError(
                f"'{self.path}' holds an {self.family} of {layers} layers and width {dim}; "
                f"{self.name} has {self.spec.layers} and {self.spec.dim}. Name the right files "
                f"with --weights"
            )
        weights = _Weights(state, shape, self.device, self.dtype)
        try:
            return _Trunk(weights, self.depth, last=self.depth == layers)
        except KeyError as missing:
            raise WeightsError(
                f"'{self.path}' is no {self.family}: it lacks {missing}. Get its files again"
            ) from None

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length (matrix products only)."""
        rows = length + len(self.spec.reading.before) + len(self.spec.reading.after)
        weights = 2 * self.spec.parameters * rows * self.depth // self.spec.layers
        return weights + 4 * self.depth * rows * rows * self.dim


class _Weights:
    """Weights by name, moved where they are to run."""

    def __init__(
        self, state: State, shape: GatedShape, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._state, self._device = state, device

    def exact(self, name: str) -> Tensor:
        """In float32, for what is no factor of a product."""
        return self._state[name].to(self._device, torch.float32)

    def linear(self, *names: str) -> Linear:
        """Maps of those names, one above the other."""
        weights = [self._state[f"{name}.weight"].to(self._device, self.dtype) for name in names]
        return Linear(torch.cat(weights))

    def branch(self, name: str) -> Linear:
        """The map a residual branch ends in; its scale is folded in, and rounded once."""
        return Linear((self.exact(f"{name}.weight") * self.shape.scale).to(self.dtype))

    def norm(self, name: str) -> LayerNorm:
        """Norm of that name."""
        weight = self.exact(f"{name}.weight")
        if self.shape.rms_eps is not None:
            return RmsNorm(weight, self.shape.rms_eps)
        shift = self.exact(f"{name}.bias") if f"{name}.bias" in self._state else None
        return LayerNorm(weight, shift)

    def optional_norm(self, name: str) -> LayerNorm | None:
        """Norm of that name, or None if this model has none there."""
        return self.norm(name) if f"{name}.weight" in self._state else None


class _Trunk:
    """Embedding, the first `depth` layers, and the final norm if these are all."""

    def __init__(self, weights: _Weights, depth: int, *, last: bool) -> None:
        self._dtype = weights.dtype
        self._embedding = weights.exact("embed_tokens.weight")
        self._layers = [_Layer(weights, f"layers.{layer}.") for layer in range(depth)]
        self._norm = weights.norm("norm") if last else None
        shape, head_dim = weights.shape, self._embedding.shape[1] // weights.shape.heads
        self._bases = [shape.base(layer) for layer in range(depth)]
        self._frequencies = {base: frequencies(head_dim, base=base) for base in self._bases}

    def __call__(self, batch: PackedTokens, wanted: Collection[int]) -> States:
        """Yield the wanted layers' rows, [T, d]."""
        residual = Residual(F.embedding(batch.ids, self._embedding), self._dtype)
        rotations = {
            base: Rotation(angles, batch.lengths, residual.rows.device)
            for base, angles in self._frequencies.items()
        }
        layers = [
            partial(layer, lengths=batch.lengths, rotation=rotations[base])
            for layer, base in zip(self._layers, self._bases, strict=True)
        ]
        return pre_norm_states(residual, layers, self._norm, wanted, stored_type(self._dtype))


class _Layer:
    """A pre-norm layer."""

    def __init__(self, weights: _Weights, prefix: str) -> None:
        self._heads, self._clip = weights.shape.heads, weights.shape.clip
        self._qkv = weights.linear(*(f"{prefix}self_attn.{part}_proj" for part in "qkv"))
        self._query_norm = weights.optional_norm(f"{prefix}self_attn.q_norm")
        self._key_norm = weights.optional_norm(f"{prefix}self_attn.k_norm")
        self._out = weights.branch(f"{prefix}self_attn.o_proj")
        self._before_attention = weights.norm(f"{prefix}input_layernorm")
        self._before_hidden = weights.norm(f"{prefix}post_attention_layernorm")
        self._gate = weights.linear(f"{prefix}mlp.gate_proj")
        self._up = weights.linear(f"{prefix}mlp.up_proj")
        self._down = weights.branch(f"{prefix}mlp.down_proj")

    def __call__(self, residual: Residual, lengths: Lengths, rotation: Rotation) -> None:
        """Add both branches of the layer."""
        rows = residual.normalised(self._before_attention)
        qkv = self._qkv(rows).view(len(rows), 3, -1)
        if self._clip is not None:
            qkv.clamp_(-self._clip, self._clip)
        for place, norm in enumerate((self._query_norm, self._key_norm)):
            if norm is not None:
                norm.apply_(qkv[:, place])
        residual.add(self._out, attend_within(qkv, lengths, self._heads, rotation=rotation))
        rows = residual.normalised(self._before_hidden)
        residual.add(self._down, F.silu(self._gate(rows)).mul_(self._up(rows)))
