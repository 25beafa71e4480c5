"""ESM C (ESM Team 2024), packed, from a Hugging Face folder or the original checkpoint.

The package that brings it, EvolutionaryScale's, imports as ``esm`` and so cannot stand beside
fair-esm, which imports as ``esm`` too; neither is needed here. Pre-norm layers with normalised
queries and keys, rotary positions, SwiGLU, and residual branches scaled by the square root of depth
over 36. ``<cls>`` and ``<eos>`` stand around every sequence; their rows are not stored. The
last layer stands after the final norm.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..attention.lengths import Lengths
from ..attention.packed import attend_within
from ..attention.rotation import Rotation, frequencies
from ..errors import WeightsError
from . import weights as files
from .base import PackedEncoder, make_encoder
from .catalogue import EncoderSpec, Options
from .devices import stored_type
from .esm import TOKENISER
from .folders import UNREADABLE, read_folder
from .hidden_states import States, pre_norm_states
from .kernels import LayerNorm, Linear, Residual
from .tokeniser import PackedTokens, Tokeniser

_DEPTH = 36


def load(spec: EncoderSpec, options: Options) -> Esmc:
    """Make an ESM C ready; see `registry.load`."""
    return make_encoder(Esmc, spec, options, files.find(spec, options.weights))


class Esmc(PackedEncoder):
    """An encoder of the ESM C family; see `PackedEncoder`."""

    def build(self) -> _Trunk:
        """Read the weights."""
        state = _read(self.path)
        layers = len({n.split(".")[1] for n in state if n.startswith("layers.")})
        embedding = state.get("embed_tokens.weight")
        dim = 0 if embedding is None else embedding.shape[1]
        if (layers, dim) != (self.spec.layers, self.spec.dim):
            raise WeightsError(
                f"'{self.path}' holds an ESM C of {layers} layers and width {dim}; {self.name} has "
                f"{self.spec.layers} and {self.spec.dim}. Name the right files with --weights"
            )
        try:
            return _Trunk(state, self.spec, self.depth, self.device, self.dtype)
        except KeyError as missing:
            raise WeightsError(
                f"'{self.path}' is no ESM C: it lacks {missing}. Get its files again"
            ) from None

    def tokeniser(self) -> Tokeniser:
        """That of the other ESM models."""
        return TOKENISER

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length (matrix products only)."""
        rows = length + 2
        weights = 2 * self.spec.parameters * rows * self.depth // self.spec.layers
        return weights + 4 * self.depth * rows * rows * self.dim


def _read(path: Path) -> dict[str, Tensor]:
    """Weights by the names transformers gives them."""
    if path.is_dir():
        state = read_folder(path).state
        return {name.removeprefix("esmc."): value for name, value in state.items()}
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return dict(pair for name, value in state.items() for pair in _rename(name, value))
    except UNREADABLE as why:
        first = str(why).splitlines()[0] if str(why) else type(why).__name__
        raise WeightsError(
            f"'{path}' is no checkpoint of ESM C: {first}. Name the right file with --weights"
        ) from None


_ORIGINAL = {
    "attn.layernorm_qkv.0": ("input_layernorm",),
    "attn.layernorm_qkv.1": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attn.q_ln": ("self_attn.q_norm",),
    "attn.k_ln": ("self_attn.k_norm",),
    "attn.out_proj": ("self_attn.o_proj",),
    "ffn.0": ("post_attention_layernorm",),
    "ffn.1": ("mlp.gate_proj", "mlp.up_proj"),
    "ffn.3": ("mlp.down_proj",),
}
"""Parts of a block in the original checkpoints, and those of transformers they are made of."""


def _rename(name: str, value: Tensor) -> list[tuple[str, Tensor]]:
    outer_names = {"embed.weight": "embed_tokens.weight", "transformer.norm.weight": "norm.weight"}
    if name in outer_names:
        return [(outer_names[name], value)]
    if not name.startswith("transformer.blocks."):
        return []
    layer, _, suffix = name.removeprefix("transformer.blocks.").partition(".")
    part, _, kind = suffix.rpartition(".")
    if "rotary" in suffix:  # frequencies: the formula's
        return []
    if part not in _ORIGINAL or not value.is_floating_point():
        raise ValueError(f"'{name}' is no weight of an ESM C")
    names = _ORIGINAL[part]
    pieces = value.chunk(len(names))
    return [(f"layers.{layer}.{n}.{kind}", v) for n, v in zip(names, pieces, strict=True)]


class _Trunk:
    """Embedding, the first `depth` layers, and the final norm if these are all."""

    def __init__(
        self,
        state: dict[str, Tensor],
        spec: EncoderSpec,
        depth: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._dtype = dtype
        self._embedding = state["embed_tokens.weight"].to(device, torch.float32)
        self._frequencies = frequencies(spec.dim // spec.heads)
        shrink = 1 / math.sqrt(spec.layers / _DEPTH)
        self._layers = [
            _Layer(state, f"layers.{layer}.", spec.heads, shrink, device, dtype)
            for layer in range(depth)
        ]
        self._norm: LayerNorm | None = None
        if depth == spec.layers:
            self._norm = LayerNorm(state["norm.weight"].to(device, torch.float32), None)

    def __call__(self, batch: PackedTokens, wanted: Collection[int]) -> States:
        """Yield the wanted layers' rows, [T, d]."""
        residual = Residual(F.embedding(batch.ids, self._embedding), self._dtype)
        rotation = Rotation(self._frequencies, batch.lengths, residual.rows.device)
        layers = [
            partial(layer, lengths=batch.lengths, rotation=rotation) for layer in self._layers
        ]
        return pre_norm_states(residual, layers, self._norm, wanted, stored_type(self._dtype))


class _Layer:
    """A pre-norm layer; the scale of the residual branches is folded into their last weights."""

    def __init__(
        self,
        state: dict[str, Tensor],
        prefix: str,
        heads: int,
        shrink: float,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        def weight(name: str) -> Tensor:
            return state[f"{prefix}{name}.weight"].to(device, dtype)

        def scaled(name: str) -> Tensor:
            exact = state[f"{prefix}{name}.weight"].to(device, torch.float32) * shrink
            return exact.to(dtype)  # rounded once

        def norm(name: str, shift: bool = True) -> LayerNorm:
            parts = ("weight", "bias") if shift else ("weight",)
            exact = [state[f"{prefix}{name}.{p}"].to(device, torch.float32) for p in parts]
            return LayerNorm(exact[0], exact[1] if shift else None)

        self._heads = heads
        self._qkv = Linear(torch.cat([weight(f"self_attn.{part}_proj") for part in "qkv"]))
        self._query_norm = norm("self_attn.q_norm", shift=False)
        self._key_norm = norm("self_attn.k_norm", shift=False)
        self._out = Linear(scaled("self_attn.o_proj"))
        self._before_attention = norm("input_layernorm")
        self._before_hidden = norm("post_attention_layernorm")
        self._gate, self._up = Linear(weight("mlp.gate_proj")), Linear(weight("mlp.up_proj"))
        self._down = Linear(scaled("mlp.down_proj"))

    def __call__(self, residual: Residual, lengths: Lengths, rotation: Rotation) -> None:
        """Add both branches of the layer."""
        rows = residual.normalised(self._before_attention)
        qkv = self._qkv(rows).view(len(rows), 3, -1)
        self._query_norm.apply_(qkv[:, 0])
        self._key_norm.apply_(qkv[:, 1])
        residual.add(self._out, attend_within(qkv, lengths, self._heads, rotation=rotation))
        rows = residual.normalised(self._before_hidden)
        residual.add(self._down, F.silu(self._gate(rows)).mul_(self._up(rows)))
