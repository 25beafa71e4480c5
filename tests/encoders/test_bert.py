"""BERT's files, old and new, and what is no BERT."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sesstore.encoders import bert, registry
from sesstore.encoders.catalogue import Options
from sesstore.errors import WeightsError

from ..conformance.encoder import encoded, random_proteins

D, LAYERS = 16, 2
SPEC = replace(registry.spec("protbert"), dim=D, layers=LAYERS, heads=2)
CONFIG = {"hidden_size": D, "num_hidden_layers": LAYERS, "num_attention_heads": 2}
PROTEINS = random_proteins([9, 4])


def weights() -> dict[str, Tensor]:
    """Random ones by the names of today."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (30, D),
        "embeddings.token_type_embeddings.weight": (2, D),
        "embeddings.position_embeddings.weight": (40, D),
        "embeddings.LayerNorm.weight": (D,),
        "embeddings.LayerNorm.bias": (D,),
    }
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        maps = {f"attention.self.{part}": (D, D) for part in ("query", "key", "value")}
        maps |= {"attention.output.dense": (D, D), "intermediate.dense": (2 * D, D)}
        for name, shape in {**maps, "output.dense": (D, 2 * D)}.items():
            shapes |= {f"{prefix}{name}.weight": shape, f"{prefix}{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{prefix}{name}.weight": (D,), f"{prefix}{name}.bias": (D,)}
    chance = torch.Generator().manual_seed(8)
    return {name: 0.3 * torch.randn(shape, generator=chance) for name, shape in shapes.items()}


def load(folder: Path, state: dict[str, Tensor], **config: Any) -> bert.Bert:
    folder.mkdir(exist_ok=True)
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"ALGVSREDTIPKFQNYMHWCXBOUZ"]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    return bert.load(SPEC, Options(folder, "cpu"))


def values(encoder: bert.Bert) -> np.ndarray:
    return np.concatenate(list(encoded(encoder, PROTEINS).values()))


def test_names_of_old_files_and_of_models_with_a_head(tmp_path: Path) -> None:
    state = weights()
    expected = values(load(tmp_path / "new", state))
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed = {}
    for name, value in state.items():
        for today, before in old.items():
            name = name.replace(today, before)
        renamed[f"bert.{name}"] = value
    np.testing.assert_array_equal(values(load(tmp_path / "old", renamed)), expected)


def test_settings_and_the_first_type_reach_the_forward(tmp_path: Path) -> None:
    state = weights()
    plain = values(load(tmp_path, state))
    np.testing.assert_array_equal(values(load(tmp_path, state, layer_norm_eps=1e-12)), plain)
    for config in ({"layer_norm_eps": 0.1}, {"num_attention_heads": 4}):
        assert np.abs(values(load(tmp_path, state, **config)) - plain).max() > 1e-3
    types = "embeddings.token_type_embeddings.weight"
    for row, changes in ((0, True), (1, False)):
        other = state[types].clone()
        other[row] += torch.linspace(0, 1, D)
        moved = np.abs(values(load(tmp_path, {**state, types: other})) - plain).max()
        assert (moved > 1e-3) == changes


def test_what_is_no_such_bert(tmp_path: Path) -> None:
    state = weights()
    for config, size in (
        ({"num_hidden_layers": 3}, "3 layers and width 16"),
        ({"hidden_size": 8}, "2 layers and width 8"),
    ):
        with pytest.raises(WeightsError, match=f"holds a BERT of {size}; protbert has 2 and 16"):
            load(tmp_path, state, **config).build()
    lost = "encoder.layer.1.output.dense.bias"
    del state[lost]
    with pytest.raises(WeightsError, match=f"is no BERT: it lacks '{lost}'"):
        load(tmp_path, state).build()
    assert load(tmp_path, state).flops(98) == 2 * (24 * 100 * D * D + 4 * 100 * 100 * D)


def test_every_file_of_weights_is_part_of_what_a_folder_is(tmp_path: Path) -> None:
    state = weights()
    whole = load(tmp_path, state)
    expected = values(whole)
    (tmp_path / "model.safetensors").unlink()
    names = sorted(state)
    parts = {"a.safetensors": names[:9], "b.safetensors": names[9:]}
    for file, members in parts.items():
        save_file({name: state[name] for name in members}, tmp_path / file)
    index = {"weight_map": {name: file for file, members in parts.items() for name in members}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    encoder = bert.load(SPEC, Options(tmp_path, "cpu"))
    np.testing.assert_array_equal(values(encoder), expected)
    hashes = [whole.fingerprint.weights_sha256, encoder.fingerprint.weights_sha256]
    for file, members in parts.items():
        save_file({name: state[name] + 1 for name in members}, tmp_path / file)
        hashes.append(bert.load(SPEC, Options(tmp_path, "cpu")).fingerprint.weights_sha256)
    assert len(set(hashes)) == 4
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"note": 1}))
    again = bert.load(SPEC, Options(tmp_path, "cpu")).fingerprint.weights_sha256
    assert again == hashes[-1]  # settings are no weights
