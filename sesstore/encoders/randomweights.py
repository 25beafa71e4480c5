"""Random ESM-2 checkpoints in fair-esm's format: for tests and benchmarks, without a download."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from ..attention.rotation import frequencies
from .catalogue import EncoderSpec

_VOCABULARY = 33


def write_random_esm2(
    path: Path, *, layers: int, dim: int, heads: int = 20, seed: int = 0
) -> EncoderSpec:
    """Write a seeded random ESM-2 of any size as fair-esm would read it.

    Parameters
    ----------
    path : path
        ``.pt`` file to write.
    layers, dim, heads : int
        Shape.
    seed : int
        Equal seeds give equal weights.

    Returns
    -------
    EncoderSpec
        Of the model, for `esm.Esm2`.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, spread: float = 0.02) -> Tensor:
        return torch.randn(shape, generator=generator) * spread

    state = {"embed_tokens.weight": normal(_VOCABULARY, dim, spread=1.0)}
    for layer in range(layers):
        prefix = f"layers.{layer}."
        for part in ("q", "k", "v", "out"):
            state |= _linear(f"{prefix}self_attn.{part}_proj", dim, dim, normal)
        state |= _linear(f"{prefix}fc1", 4 * dim, dim, normal)
        state |= _linear(f"{prefix}fc2", dim, 4 * dim, normal)
        for norm in ("self_attn_layer_norm", "final_layer_norm"):
            state |= _norm(f"{prefix}{norm}", dim, normal)
        state[f"{prefix}self_attn.rot_emb.inv_freq"] = frequencies(dim // heads)
    state |= _norm("emb_layer_norm_after", dim, normal)
    state |= _norm("lm_head.layer_norm", dim, normal) | _linear("lm_head.dense", dim, dim, normal)
    state |= {"lm_head.bias": torch.zeros(_VOCABULARY)}
    state["lm_head.weight"] = state["embed_tokens.weight"]
    settings = argparse.Namespace(
        encoder_layers=layers,
        encoder_embed_dim=dim,
        encoder_attention_heads=heads,
        token_dropout=True,
    )
    model = {
        f"encoder.{name}" if name.startswith("lm_head") else f"encoder.sentence_encoder.{name}": v
        for name, v in state.items()
    }
    torch.save({"cfg": {"model": settings}, "model": model}, path)
    full = f"esm2_t{layers}_random_d{dim}_s{seed}"
    return EncoderSpec(
        f"esm2_t{layers}", full, "esm", dim, layers, heads, 0, 1022, "none needed", "", (path.name,)
    )


def _linear(name: str, rows: int, columns: int, normal) -> dict[str, Tensor]:  # type: ignore[no-untyped-def]
    spread = (2 / (rows + columns)) ** 0.5
    return {f"{name}.weight": normal(rows, columns, spread=spread), f"{name}.bias": normal(rows)}


def _norm(name: str, dim: int, normal) -> dict[str, Tensor]:  # type: ignore[no-untyped-def]
    return {f"{name}.weight": 1 + normal(dim), f"{name}.bias": normal(dim)}
