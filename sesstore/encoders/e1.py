"""Profluent-E1 (Jain et al. 2025), packed, one sequence at a time: no homologues beside it.

Every third layer attends across sequences in the origin, by slower rotary frequencies; of one
sequence alone only the frequencies remain. Queries, keys and values are clipped.
``<bos> 1`` and ``2 <eos>`` stand around every sequence; their rows are not stored. The embedding of
the first sequence's number belongs to every position.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..errors import WeightsError
from . import weights as files
from .base import make_encoder
from .catalogue import EncoderSpec, Options
from .folders import read_folder
from .gated_trunk import GatedEncoder, GatedShape, State
from .tokeniser import Tokeniser, read_tokeniser

_NAMES = (
    ("model.", ""),
    (".norm_attn_norm.", "."),
    (".ffn.mlp.w1.", ".mlp.gate_proj."),
    (".ffn.mlp.w3.", ".mlp.up_proj."),
    (".ffn.mlp.w2.", ".mlp.down_proj."),
)
"""Parts of names, and what ESM C calls them."""


def load(spec: EncoderSpec, options: Options) -> E1:
    """Make an E1 ready; see `registry.load`."""
    return make_encoder(E1, spec, options, files.find(spec, options.weights))


class E1(GatedEncoder):
    """An encoder of the E1 family; see `PackedEncoder`."""

    family = "E1"

    def read(self) -> tuple[State, GatedShape]:
        """Read the weights."""
        folder = read_folder(self.path)
        config = folder.config
        if not config.get("gated_mlp", False) or config.get("hidden_act", "silu") != "silu":
            raise WeightsError(
                f"'{self.path / 'config.json'}' is of no published E1: these have gated_mlp and "
                f"silu. Name the right folder with --weights"
            )
        state = {_rename(name): value for name, value in folder.state.items()}
        _join_sequence_number(state)
        return state, _shape(config, self.spec.heads)

    def tokeniser(self) -> Tokeniser:
        """Read the vocabulary."""
        return read_tokeniser(self.path, self.spec.reading)


def _rename(name: str) -> str:
    for part, replacement in _NAMES:
        name = name.replace(part, replacement)
    return name


def _join_sequence_number(state: dict[str, Tensor]) -> None:
    """Add the first sequence's number to each token's embedding."""
    numbers, tokens = state.pop("embed_seq_id.weight", None), state.get("embed_tokens.weight")
    if numbers is not None and tokens is not None:
        state["embed_tokens.weight"] = tokens.float() + numbers[0].float()


def _shape(config: dict[str, Any], heads: int) -> GatedShape:
    within, across = (
        float(config.get(f"rope_theta_{kind}", default))
        for kind, default in (("within_seq", 10_000), ("global", 100_000))
    )
    every = int(config.get("global_attention_every_n_layers", 0))
    return GatedShape(
        heads,
        rms_eps=float(config.get("rms_norm_eps", 1e-5)),
        clip=config.get("clip_qkv"),
        bases=(*[within] * (every - 1), across) if every else (within,),
    )
