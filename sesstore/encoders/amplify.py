"""AMPLIFY (Fournier et al. 2024), packed, from the folder its authors publish.

Its rotary positions turn neighbouring dimensions, i and i + 1, where ours turn i and i + half a
head; rows of the query and key maps change places for that, which changes no score. ``<bos>`` and
``<eos>`` stand around every sequence; their rows are not stored. The last layer stands after the
final norm, as with other encoders; the origin's last hidden state is the one before that norm.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import WeightsError
from . import weights as files
from .base import make_encoder
from .catalogue import EncoderSpec, Options
from .folders import read_folder
from .gated_trunk import GatedEncoder, GatedShape, State
from .tokeniser import Tokeniser, read_tokeniser

_BLOCK = re.compile(r"transformer_encoder\.(\d+)\.(.+)\.weight")
_PARTS = {
    "q": ("self_attn.q_proj",),
    "k": ("self_attn.k_proj",),
    "v": ("self_attn.v_proj",),
    "wo": ("self_attn.o_proj",),
    "attention_norm": ("input_layernorm",),
    "ffn_norm": ("post_attention_layernorm",),
    "ffn.w12": ("mlp.gate_proj", "mlp.up_proj"),
    "ffn.w3": ("mlp.down_proj",),
}
"""Parts of a block, and those of ESM C they are made of."""
_OUTER = {"encoder.weight": "embed_tokens.weight", "layer_norm_2.weight": "norm.weight"}
_SETTINGS = {
    "rms_norm": True,
    "hidden_act": "SwiGLU",
    "layer_norm_after_embedding": False,
    "layer_norm_before_last_layer": True,
    "att_bias": False,
    "ffn_bias": False,
}
"""Of the published models; what a ``config.json`` leaves out is one of these."""


def load(spec: EncoderSpec, options: Options) -> Amplify:
    """Make an AMPLIFY ready; see `registry.load`."""
    return make_encoder(Amplify, spec, options, files.find(spec, options.weights))


class Amplify(GatedEncoder):
    """An encoder of the AMPLIFY family; see `PackedEncoder`."""

    family = "AMPLIFY"

    def read(self) -> tuple[State, GatedShape]:
        """Read the weights."""
        folder = read_folder(self.path)
        _check_settings(folder.config, self.path)
        heads = self.spec.heads
        state = dict(
            pair for name, value in folder.state.items() for pair in _rename(name, value, heads)
        )
        return state, GatedShape(heads, rms_eps=float(folder.config.get("norm_eps", 1e-5)))

    def tokeniser(self) -> Tokeniser:
        """Read the vocabulary."""
        return read_tokeniser(self.path, self.spec.reading)


def _check_settings(config: dict[str, Any], path: Path) -> None:
    for name, value in _SETTINGS.items():
        if config.get(name, value) != value:
            raise WeightsError(
                f"'{path / 'config.json'}' says {name} = {config[name]}, and the published "
                f"AMPLIFY have {value}. Name one of these with --weights"
            )


def _rename(name: str, value: Tensor, heads: int) -> list[tuple[str, Tensor]]:
    if name in _OUTER:
        return [(_OUTER[name], value)]
    block = _BLOCK.fullmatch(name)
    if block is None or block[2] not in _PARTS:  # the decoder's
        return []
    names = _PARTS[block[2]]
    if block[2] in ("q", "k"):
        value = _halves(value, heads)
    pieces = value.chunk(len(names))
    return [(f"layers.{block[1]}.{n}.weight", v) for n, v in zip(names, pieces, strict=True)]


def _halves(weight: Tensor, heads: int) -> Tensor:
    """Rows of each head, the even ones before the odd ones: [d, d]."""
    by_pair = weight.view(heads, -1, 2, weight.shape[1])
    return torch.cat([by_pair[:, :, 0], by_pair[:, :, 1]], dim=1).reshape(weight.shape)
