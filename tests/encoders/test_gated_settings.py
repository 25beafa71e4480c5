"""What AMPLIFY, E1 and ESM C read of their files' settings, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sesstore.encoders.catalogue import Options
from sesstore.encoders.gated_trunk import GatedEncoder, GatedShape
from sesstore.errors import WeightsError

from ..conformance.encoder import random_proteins
from .test_gated_trunk import (
    HEADS,
    LAYERS,
    D,
    State,
    as_esm_plus_plus,
    random_state,
    small_spec,
    write,
    write_amplify,
    write_e1,
)

WRITERS: dict[str, Callable[[Path], State]] = {"amplify_120m": write_amplify, "e1_300m": write_e1}


@pytest.fixture(scope="module", params=WRITERS)
def origin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp(request.param)
    WRITERS[request.param](folder)
    return request.param, folder


def load(name: str, path: Path, **options: Any) -> GatedEncoder:
    spec = small_spec(name)
    family = import_module(f"sesstore.encoders.{spec.family}")
    encoder: GatedEncoder = family.load(spec, Options(path, "cpu", **options))
    return encoder


def with_settings(folder: Path, place: Path, **settings: Any) -> Path:
    """The same model with other settings; one that is None is left out."""
    config = json.loads((folder / "config.json").read_text()) | settings
    config = {name: value for name, value in config.items() if value is not None}
    for file in folder.iterdir():
        if file.name != "config.json":
            (place / file.name).symlink_to(file)
    (place / "config.json").write_text(json.dumps(config))
    return place


REFUSED = {
    "amplify_120m": {
        "rms_norm": False,
        "hidden_act": "relu",
        "layer_norm_after_embedding": True,
        "layer_norm_before_last_layer": False,
        "att_bias": True,
        "ffn_bias": True,
    },
    "e1_300m": {"gated_mlp": None, "hidden_act": "gelu"},
}


def test_another_setting_than_the_published_is_refused(origin, tmp_path: Path) -> None:
    name, folder = origin
    for setting, value in REFUSED[name].items():
        place = tmp_path / setting
        place.mkdir()
        with pytest.raises(WeightsError, match=r"config\.json.* published (AMPLIFY|E1)"):
            load(name, with_settings(folder, place, **{setting: value})).read()


SETTINGS: dict[str, list[tuple[dict[str, Any], GatedShape]]] = {
    "amplify_120m": [
        ({"norm_eps": None, "rms_norm": None, "hidden_act": None}, GatedShape(HEADS, rms_eps=1e-5)),
        ({"norm_eps": 1e-3}, GatedShape(HEADS, rms_eps=1e-3)),
    ],
    "e1_300m": [
        (
            {"rms_norm_eps": None, "clip_qkv": None, "rope_theta_within_seq": None,
             "rope_theta_global": None, "hidden_act": None},
            GatedShape(HEADS, rms_eps=1e-5, bases=(10_000, 10_000, 100_000)),
        ),
        (
            {"rms_norm_eps": 1e-3, "clip_qkv": 8.0, "global_attention_every_n_layers": 2,
             "rope_theta_within_seq": 7.0, "rope_theta_global": 9.0},
            GatedShape(HEADS, rms_eps=1e-3, clip=8.0, bases=(7, 9)),
        ),
        (
            {"global_attention_every_n_layers": None, "rope_theta_within_seq": 7.0},
            GatedShape(HEADS, rms_eps=1e-2, clip=1.5, bases=(7,)),
        ),
    ],
}  # fmt: skip


def test_settings_shape_the_forward_and_what_is_left_out_is_the_published(
    origin, tmp_path: Path
) -> None:
    name, folder = origin
    for number, (settings, expected) in enumerate(SETTINGS[name]):
        place = tmp_path / str(number)
        place.mkdir()
        _, shape = load(name, with_settings(folder, place, **settings)).read()
        assert shape == expected


def test_bases_take_turns() -> None:
    shape = GatedShape(4, bases=(1, 2, 3))
    assert [shape.base(layer) for layer in range(5)] == [1, 2, 3, 1, 2]
    assert GatedShape(4).base(7) == 10_000


def test_a_weight_that_is_absent_is_named(origin, tmp_path: Path) -> None:
    name, folder = origin
    lost = {"amplify_120m": "encoder.1.wo.", "e1_300m": "1.norm_attn_norm.self_attn.o_proj."}[name]
    state = load_file(folder / "model.safetensors")
    (absent,) = [weight for weight in state if lost in weight]
    kept = {weight: value for weight, value in state.items() if weight != absent}
    place = with_settings(folder, tmp_path)
    (place / "model.safetensors").unlink()
    save_file(kept, place / "model.safetensors")
    with pytest.raises(WeightsError, match=r"it lacks 'layers\.1\.self_attn\.o_proj\.weight'"):
        load(name, place).build()


def test_products_are_counted_with_the_tokens_around_and_for_the_layers_that_run(origin) -> None:
    name, folder = origin
    around = {"amplify_120m": 2, "e1_300m": 4}[name]
    parameters = small_spec(name).parameters
    for layers, depth in (("last", 3), ("1", 1)):
        rows, encoder = 50 + around, load(name, folder, layers=layers)
        weights = 2 * parameters * rows * depth // LAYERS
        assert encoder.flops(50) == weights + 4 * depth * rows * rows * D


def test_the_number_of_the_first_sequence_is_added_in_float32(tmp_path: Path) -> None:
    state = {name: value.bfloat16() for name, value in write_e1(tmp_path).items()}
    save_file(state, tmp_path / "model.safetensors")
    read, _ = load("e1_300m", tmp_path).read()
    tokens, numbers = (state[f"model.embed_{kind}.weight"].float() for kind in ("tokens", "seq_id"))
    assert torch.equal(read["embed_tokens.weight"], tokens + numbers[0])
    assert "embed_seq_id.weight" not in read


@pytest.fixture(scope="module")
def esmc_state() -> State:
    """Weights of an ESM C by the names of transformers."""
    shapes: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (64, D), "norm.weight": (D,)}
    for layer in range(LAYERS):
        block = f"layers.{layer}."
        shapes |= {f"{block}self_attn.{part}_proj.weight": (D, D) for part in "qkvo"}
        shapes |= {f"{block}self_attn.{part}_norm.weight": (D,) for part in "qk"}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes |= {f"{block}{norm}.{kind}": (D,) for kind in ("weight", "bias")}
        shapes |= {f"{block}mlp.{part}_proj.weight": (2 * D, D) for part in ("gate", "up")}
        shapes |= {f"{block}mlp.down_proj.weight": (D, 2 * D)}
    return random_state(shapes)


def test_esmc_reads_a_model_with_a_head_around_it(tmp_path: Path, esmc_state: State) -> None:
    prefixed = {f"esmc.{name}": value for name, value in esmc_state.items()}
    write(tmp_path, prefixed, {}, ["<unk>"])
    read, shape = load("esmc_300m", tmp_path).read()
    assert read.keys() == esmc_state.keys()
    assert all(torch.equal(read[name], value) for name, value in esmc_state.items())
    assert shape == GatedShape(HEADS, scale=pytest.approx((36 / LAYERS) ** 0.5))
    assert len(list(load("esmc_300m", tmp_path).encode(random_proteins([5])))) == 1


def test_each_part_of_the_original_goes_to_its_own_name(tmp_path: Path, esmc_state: State) -> None:
    file = tmp_path / "esmc_300m_2024_12_v0.pth"
    torch.save(as_esm_plus_plus(esmc_state), file)
    read, _ = load("esmc_300m", file).read()
    assert read.keys() == esmc_state.keys()
    assert all(torch.equal(read[name], value) for name, value in esmc_state.items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"transformer.blocks.0.attn.odd.weight": torch.ones(2)}, "'transformer.blocks.0.attn.odd"),
        (
            {"transformer.blocks.1.ffn.3.weight": torch.ones(2, dtype=torch.int8)},
            "'transformer.blocks.1.ffn.3",
        ),
    ],
)
def test_what_is_no_weight_of_an_esmc_is_refused(
    tmp_path: Path, esmc_state: State, change: State, said: str
) -> None:
    file = tmp_path / "odd.pth"
    torch.save(as_esm_plus_plus(esmc_state) | change, file)
    with pytest.raises(WeightsError, match=rf"odd\.pth' is no checkpoint of ESM C: {said}"):
        load("esmc_300m", file).read()


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_what_is_no_checkpoint_of_an_esmc(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.pth"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"bad\.pth' is no checkpoint of ESM C"):
        load("esmc_300m", file).read()
    torch.save([1, 2], file)
    with pytest.raises(WeightsError, match=r"bad\.pth' is no checkpoint of ESM C"):
        load("esmc_300m", file).read()


def test_of_another_size_in_width_or_depth_alone(tmp_path: Path, esmc_state: State) -> None:
    write(tmp_path, esmc_state, {}, ["<unk>"])
    for change in ({"dim": 2 * D}, {"layers": LAYERS + 1}):
        spec = replace(small_spec("esmc_300m"), **change)
        encoder = import_module("sesstore.encoders.esmc").load(spec, Options(tmp_path, "cpu"))
        with pytest.raises(WeightsError, match=f"an ESM C of {LAYERS} layers and width {D}; "):
            encoder.build()


def test_what_is_wrong_with_a_folder_is_said_once(tmp_path: Path, esmc_state: State) -> None:
    write(tmp_path, esmc_state, {}, ["<unk>"])
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(WeightsError, match=r"^'.*/model\.safetensors' cannot be read") as refused:
        load("esmc_300m", tmp_path).read()
    assert "Name the right file" not in str(refused.value)
