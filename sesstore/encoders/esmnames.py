"""Names and shapes of the weights of ESM-2, ESM-1b and ESM-1v, as fair-esm has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .catalogue import EncoderSpec

VOCABULARY = 33
"""Tokens of ESM's alphabet."""


def is_rotary(spec: EncoderSpec) -> bool:
    """Whether positions are turned into queries and keys (ESM-2), not learned (ESM-1)."""
    return spec.name.startswith("esm2")


def trunk_shapes(
    state: Mapping[str, Tensor], spec: EncoderSpec
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Shapes of the weights the trunk must have, and of those it may have."""
    d, hidden = spec.dim, state.get("layers.0.fc1.bias", torch.empty(4 * spec.dim)).shape[0]
    required: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (VOCABULARY, d)}
    optional: dict[str, tuple[int, ...]] = {}
    for layer in range(spec.layers):
        required |= dict(_layer_shapes(f"layers.{layer}.", d, hidden))
        if is_rotary(spec):
            optional[f"layers.{layer}.self_attn.rot_emb.inv_freq"] = (d // spec.heads // 2,)
    required |= dict(_norm_shapes("emb_layer_norm_after", d))
    if not is_rotary(spec):
        places = state.get("embed_positions.weight", torch.empty(1026, d)).shape[0]
        required["embed_positions.weight"] = (places, d)
        optional |= dict(_norm_shapes("emb_layer_norm_before", d))
    return required, optional


def _layer_shapes(prefix: str, d: int, hidden: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    maps = {f"self_attn.{part}_proj": (d, d) for part in ("q", "k", "v", "out")}
    for name, (rows, columns) in {**maps, "fc1": (hidden, d), "fc2": (d, hidden)}.items():
        yield f"{prefix}{name}.weight", (rows, columns)
        yield f"{prefix}{name}.bias", (rows,)
    yield from _norm_shapes(f"{prefix}self_attn_layer_norm", d)
    yield from _norm_shapes(f"{prefix}final_layer_norm", d)


def _norm_shapes(name: str, d: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (d,)
    yield f"{name}.bias", (d,)


_HUGGING_FACE_NAMES = (
    (r"^embeddings\.word_embeddings\.", "embed_tokens."),
    (r"^embeddings\.position_embeddings\.", "embed_positions."),
    (r"^embeddings\.layer_norm\.", "emb_layer_norm_before."),
    (r"^encoder\.emb_layer_norm_after\.", "emb_layer_norm_after."),
    (r"^encoder\.layer\.", "layers."),
    (r"\.attention\.self\.(q|k|v)(uery|ey|alue)\.", r".self_attn.\1_proj."),
    (r"\.attention\.self\.rotary_embeddings\.", ".self_attn.rot_emb."),
    (r"\.attention\.output\.dense\.", ".self_attn.out_proj."),
    (r"\.attention\.LayerNorm\.", ".self_attn_layer_norm."),
    (r"\.intermediate\.dense\.", ".fc1."),
    (r"\.output\.dense\.", ".fc2."),
    (r"\.LayerNorm\.", ".final_layer_norm."),
    (r"^layers\.\*\.", "layers.0."),  # one set of frequencies for all layers
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
)


def fair_esm_name(name: str) -> str:
    """Name fair-esm gives a weight that transformers call so."""
    for pattern, replacement in _HUGGING_FACE_NAMES:
        name = re.sub(pattern, replacement, name)
    return name
