"""A small random SaProt in the files of its repository."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sesstore.encoders import registry

SPEC = replace(registry.spec("saprot_35m"), dim=48, layers=3, heads=4)
STATES = "pynwrqhgdlvtmfsaeikc#"
"""In the order of SaProt's vocabulary, which is not ours."""


def write_small_saprot(folder: Path) -> Any:
    """Write the model; return transformers' own."""
    import transformers

    torch.manual_seed(9)
    config = transformers.EsmConfig(
        vocab_size=446, hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=192, max_position_embeddings=1026, pad_token_id=1, mask_token_id=4,
        position_embedding_type="rotary", token_dropout=True, emb_layer_norm_before=False,
        layer_norm_eps=1e-5,
    )  # fmt: skip
    model = transformers.EsmForMaskedLM(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    pairs = [letter + state for letter in "ACDEFGHIKLMNPQRSTVWY#" for state in STATES]
    lines = ["<cls>", "<pad>", "<eos>", "<unk>", "<mask>", *pairs]
    (folder / "vocab.txt").write_text("\n".join(lines))
    return model
