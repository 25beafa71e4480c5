"""ESM C (ESM Team 2024), packed: from a folder of transformers or of ESM++, or the original file.

The package that brings it, EvolutionaryScale's, imports as ``esm`` and so cannot stand beside
fair-esm, which imports as ``esm`` too; neither is needed here. Pre-norm layers with normalised
queries and keys, rotary positions, SwiGLU, and residual branches scaled by the square root of depth
over 36. ``<cls>`` and ``<eos>`` stand around every sequence; their rows are not stored. The
last layer stands after the final norm.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from ..errors import WeightsError
from . import weights as files
from .base import make_encoder
from .catalogue import EncoderSpec, Options
from .esm import TOKENISER
from .folders import UNREADABLE, read_folder
from .gated_trunk import GatedEncoder, GatedShape, State
from .tokeniser import Tokeniser

_DEPTH = 36


def load(spec: EncoderSpec, options: Options) -> Esmc:
    """Make an ESM C ready; see `registry.load`."""
    return make_encoder(Esmc, spec, options, files.find(spec, options.weights))


class Esmc(GatedEncoder):
    """An encoder of the ESM C family; see `PackedEncoder`."""

    family = "ESM C"

    def read(self) -> tuple[State, GatedShape]:
        """Read the weights, in any of the three layouts."""
        scale = 1 / math.sqrt(self.spec.layers / _DEPTH)
        return _read(self.path), GatedShape(self.spec.heads, scale)

    def tokeniser(self) -> Tokeniser:
        """That of the other ESM models."""
        return TOKENISER


def _read(path: Path) -> dict[str, Tensor]:
    """Weights by the names transformers gives them."""
    folder = read_folder(path).state if path.is_dir() else None
    if folder is not None and "embed.weight" not in folder:  # transformers' own names, not ESM++'s
        return {name.removeprefix("esmc."): value for name, value in folder.items()}
    try:
        state: State = (
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            if folder is None
            else folder
        )
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
"""Parts of a block in the original checkpoints and in ESM++, and in transformers."""


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
