"""What a checkpoint says beside its weights, and what its silence means."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sesstore.encoders import registry
from sesstore.encoders.checkpoints import fair_esm_name, read_checkpoint, trunk_shapes
from sesstore.errors import WeightsError

ESM2 = replace(registry.spec("esm2_t6"), dim=16, layers=2, heads=2)
ESM1 = replace(registry.spec("esm1b"), dim=16, layers=2, heads=2)
CONFIG = {
    "num_attention_heads": 2, "layer_norm_eps": 1e-5, "token_dropout": True,
    "position_embedding_type": "rotary", "emb_layer_norm_before": False,
}  # fmt: skip

State = dict[str, Tensor]


def state_of(spec, *, first_norm: bool = False) -> State:
    """Weights that a model must have, each of its own value."""
    required, optional = trunk_shapes({}, spec)
    names = dict(required)
    if first_norm:
        names |= {name: shape for name, shape in optional.items() if "norm_before" in name}
    return {name: torch.full(shape, float(n)) for n, (name, shape) in enumerate(names.items())}


def pickled(folder: Path, **content: Any) -> Path:
    torch.save(content, folder / "any.pt")
    return folder / "any.pt"


def in_folder(folder: Path, state: State, config: dict[str, Any], name: str = "") -> Path:
    save_file(state, folder / (name or "model.safetensors"))
    (folder / "config.json").write_text(json.dumps(config))
    return folder / name if name else folder


def test_a_layer_has_the_weights_that_fair_esm_gives_it() -> None:
    required, optional = trunk_shapes({"layers.0.fc1.bias": torch.empty(40)}, ESM2)
    assert len(required) == 1 + 2 * 16 + 2
    assert required["embed_tokens.weight"] == (33, 16)
    assert required["layers.1.self_attn.k_proj.weight"] == (16, 16)
    assert required["layers.1.fc1.weight"] == (40, 16)
    assert required["layers.1.fc2.weight"] == (16, 40)
    assert required["layers.1.fc2.bias"] == (16,)
    assert optional == {f"layers.{n}.self_attn.rot_emb.inv_freq": (4,) for n in range(2)}
    required, optional = trunk_shapes({"embed_positions.weight": torch.empty(99, 16)}, ESM1)
    assert required["embed_positions.weight"] == (99, 16)
    assert required["layers.0.fc1.weight"] == (64, 16)
    assert sorted(optional) == ["emb_layer_norm_before.bias", "emb_layer_norm_before.weight"]
    saprot = replace(registry.spec("saprot_35m"), dim=16, layers=2, heads=2)
    assert trunk_shapes({}, saprot)[0]["embed_tokens.weight"] == (446, 16)


@pytest.mark.parametrize("wrap", [dict, lambda values: argparse.Namespace(**values)])
@pytest.mark.parametrize("place", ["cfg", "args"])
def test_settings_of_fair_esm_old_and_new(tmp_path: Path, wrap, place: str) -> None:
    state = state_of(ESM2)

    def read(**settings: Any):
        own = {"cfg": {"model": wrap(settings)}} if place == "cfg" else {"args": wrap(settings)}
        return read_checkpoint(pickled(tmp_path, model=state, **own), ESM2)

    assert read(token_dropout=False).token_dropout is False
    assert read(token_dropout=True).token_dropout is True
    silent = read(encoder_attention_heads=2)
    assert (silent.token_dropout, silent.eps) == (True, 1e-5)
    assert silent.state.keys() == state.keys()
    for name in ("attention_heads", "encoder_attention_heads", "num_attention_heads"):
        with pytest.raises(WeightsError, match="says 4 attention heads, esm2_t6 has 2"):
            read(**{name: 4})


def test_the_new_settings_go_before_the_old(tmp_path: Path) -> None:
    old, new = {"token_dropout": True}, {"model": {"token_dropout": False}}
    path = pickled(tmp_path, model=state_of(ESM2), args=old, cfg=new)
    assert read_checkpoint(path, ESM2).token_dropout is False


def test_a_first_norm_is_there_where_its_weights_are_unless_a_config_says_no(
    tmp_path: Path,
) -> None:
    """Older files of fair-esm say nothing of it, or no, and have it."""
    state = state_of(ESM1, first_norm=True)
    path = pickled(tmp_path, model=state, args={"emb_layer_norm_before": False})
    assert "emb_layer_norm_before.weight" in read_checkpoint(path, ESM1).state
    path = pickled(tmp_path, model=state_of(ESM1), args={"emb_layer_norm_before": True})
    assert "emb_layer_norm_before.weight" not in read_checkpoint(path, ESM1).state
    config = CONFIG | {"position_embedding_type": "absolute"}
    for before in (True, False):
        folder = tmp_path / str(before)
        folder.mkdir()
        in_folder(folder, state, config | {"emb_layer_norm_before": before})
        assert ("emb_layer_norm_before.bias" in read_checkpoint(folder, ESM1).state) == before


def test_learned_positions_beside_rotary_ones_are_left_out(tmp_path: Path) -> None:
    """transformers once wrote both."""
    state = state_of(ESM2) | {"embed_positions.weight": torch.ones(1026, 16)}
    assert (
        "embed_positions.weight"
        not in read_checkpoint(in_folder(tmp_path, state, CONFIG), ESM2).state
    )


@pytest.mark.parametrize("name", ["", "best.safetensors"])
def test_settings_of_the_config_beside_weights_and_what_it_leaves_out(
    tmp_path: Path, name: str
) -> None:
    def read(**changes: Any):
        config = {key: value for key, value in (CONFIG | changes).items() if value is not ...}
        return read_checkpoint(in_folder(tmp_path, state_of(ESM2), config, name), ESM2)

    assert (read().token_dropout, read().eps) == (True, 1e-5)
    changed = read(token_dropout=False, layer_norm_eps=1e-3)
    assert (changed.token_dropout, changed.eps) == (False, 1e-3)
    silent = read(token_dropout=..., layer_norm_eps=...)
    assert (silent.token_dropout, silent.eps) == (False, 1e-12)
    assert read(token_dropout=None).token_dropout is True
    for change in ({"position_embedding_type": ...}, {"position_embedding_type": "relative_key"}):
        with pytest.raises(WeightsError, match="positions, which esm2_t6 has not"):
            read(**change)
    with pytest.raises(WeightsError, match="12 attention heads"):
        read(num_attention_heads=...)


def test_weights_are_looked_for_by_name_two_wrappers_deep(tmp_path: Path) -> None:
    state = state_of(ESM2)
    inner = {"state_dict": {"module": state}}
    assert read_checkpoint(pickled(tmp_path, **inner), ESM2).state.keys() == state.keys()
    for content in ({"model": inner}, {"model": {1: torch.ones(1), **state}}):
        with pytest.raises(WeightsError, match="holds no weights by name but model"):
            read_checkpoint(pickled(tmp_path, **content), ESM2)


def test_a_lone_file_without_a_config_is_of_fair_esm(tmp_path: Path) -> None:
    save_file(state_of(ESM2), tmp_path / "lone.safetensors")
    read = read_checkpoint(tmp_path / "lone.safetensors", ESM2)
    assert (read.token_dropout, read.eps) == (True, 1e-5)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"lone\.safetensors' cannot be read as weights"):
        read_checkpoint(tmp_path / "lone.safetensors", ESM2)


def test_rotary_positions_are_no_esm1s(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="says rotary positions, which esm1b has not"):
        read_checkpoint(in_folder(tmp_path, state_of(ESM1), CONFIG), ESM1)


def test_what_is_absent_unknown_or_of_another_shape_is_named_three_at_a_time(
    tmp_path: Path,
) -> None:
    state = state_of(ESM2)

    def said(content: State) -> str:
        with pytest.raises(WeightsError) as refused:
            read_checkpoint(pickled(tmp_path, model=content), ESM2)
        return str(refused.value)

    few = {name: value for name, value in state.items() if "fc" not in name}
    assert (
        "lacks weights (layers.0.fc1.bias, layers.0.fc1.weight, layers.0.fc2.bias and 5 more)"
        in (said(few))
    )
    more = {f"layers.0.odd{n}": torch.ones(1) for n in range(3)}
    assert "would be left out (layers.0.odd0, layers.0.odd1, layers.0.odd2). " in said(state | more)
    frequencies = {"layers.0.self_attn.rot_emb.inv_freq": torch.ones(5)}
    assert "another shape (layers.0.self_attn.rot_emb.inv_freq)" in said(state | frequencies)
    turned = {"layers.1.fc1.weight": torch.ones(16, 64)}
    assert "another shape (layers.1.fc1.weight)" in said(state | turned)
    buffers = {"embeddings.position_ids": torch.ones(1), "embed_scale._float_tensor": torch.ones(1)}
    path = pickled(tmp_path, model=state | buffers | {"version": torch.ones(1)})
    assert state.keys() <= read_checkpoint(path, ESM2).state.keys()


@pytest.mark.parametrize(
    ("theirs", "own"),
    [
        ("embeddings.word_embeddings.weight", "embed_tokens.weight"),
        ("embeddings.position_embeddings.weight", "embed_positions.weight"),
        ("embeddings.layer_norm.bias", "emb_layer_norm_before.bias"),
        ("encoder.emb_layer_norm_after.weight", "emb_layer_norm_after.weight"),
        ("encoder.layer.7.attention.self.key.bias", "layers.7.self_attn.k_proj.bias"),
        ("encoder.layer.7.attention.self.value.weight", "layers.7.self_attn.v_proj.weight"),
        ("encoder.layer.7.attention.LayerNorm.gamma", "layers.7.self_attn_layer_norm.weight"),
        ("encoder.layer.7.LayerNorm.beta", "layers.7.final_layer_norm.bias"),
        ("encoder.layer.7.attention.output.dense.bias", "layers.7.self_attn.out_proj.bias"),
        ("encoder.layer.7.output.dense.bias", "layers.7.fc2.bias"),
        ("encoder.layer.7.intermediate.dense.weight", "layers.7.fc1.weight"),
        (
            "encoder.layer.*.attention.self.rotary_embeddings.inv_freq",
            "layers.0.self_attn.rot_emb.inv_freq",
        ),
    ],
)
def test_names_of_transformers(theirs: str, own: str) -> None:
    assert fair_esm_name(theirs) == own
