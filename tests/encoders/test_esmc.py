"""ESM C's own checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sesstore.encoders.catalogue import Options

from ..conformance.encoder import encoded, random_proteins
from .conftest import esmc, module


def test_esmc_reads_the_original_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    spec, model, _ = esmc("esmc_300m", folder)
    parts = {name.removesuffix(".weight"): v for name, v in model.state_dict().items()}
    state = {"embed.weight": parts["embed_tokens"], "transformer.norm.weight": parts["norm"]}
    for layer in range(3):
        own, block = f"layers.{layer}.", f"transformer.blocks.{layer}."
        qkv = [parts[f"{own}self_attn.{part}_proj"] for part in "qkv"]
        state |= {
            f"{block}attn.layernorm_qkv.0.weight": parts[f"{own}input_layernorm"],
            f"{block}attn.layernorm_qkv.0.bias": parts[f"{own}input_layernorm.bias"],
            f"{block}attn.layernorm_qkv.1.weight": torch.cat(qkv),
            f"{block}attn.q_ln.weight": parts[f"{own}self_attn.q_norm"],
            f"{block}attn.k_ln.weight": parts[f"{own}self_attn.k_norm"],
            f"{block}attn.out_proj.weight": parts[f"{own}self_attn.o_proj"],
            f"{block}ffn.0.weight": parts[f"{own}post_attention_layernorm"],
            f"{block}ffn.0.bias": parts[f"{own}post_attention_layernorm.bias"],
            f"{block}ffn.1.weight": torch.cat(
                [parts[f"{own}mlp.gate_proj"], parts[f"{own}mlp.up_proj"]]
            ),
            f"{block}ffn.3.weight": parts[f"{own}mlp.down_proj"],
        }
    file = tmp_path / "esmc_300m_2024_12_v0.pth"
    torch.save(state, file)
    proteins = random_proteins([17, 40])
    one = encoded(module(spec).load(spec, Options(folder, "cpu")), proteins)
    other = encoded(module(spec).load(spec, Options(file, "cpu")), proteins)
    for digest, values in one.items():
        np.testing.assert_array_equal(values, other[digest])
