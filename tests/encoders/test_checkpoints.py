"""Layouts of ESM checkpoints: fair-esm's own numbers, or an error that names the layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sesstore.encoders import esm as ours
from sesstore.encoders import registry, weights
from sesstore.encoders.catalogue import EncoderSpec, Options
from sesstore.errors import WeightsError
from sesstore.proteins import Protein

from ..conformance.encoder import encoded, random_proteins

PROTEINS = [*random_proteins([30, 7]), Protein("odd", "MKXXUZOBWX")]
SPEC = replace(registry.spec("esm2_t6"), dim=48, layers=3, heads=4)


@pytest.fixture(scope="module")
def model() -> Any:
    """A random ESM-2 of fair-esm."""
    from esm.model.esm2 import ESM2

    torch.manual_seed(3)
    made = ESM2(3, 48, 4, alphabet="ESM-1b", token_dropout=True).eval()
    for parameter in made.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    for name, buffer in made.named_buffers():
        if name.endswith("inv_freq"):  # a checkpoint's own go before the formula's
            buffer *= 1.1
    return made


@pytest.fixture(scope="module")
def expected(model: Any) -> dict[bytes, np.ndarray]:
    """What fair-esm's forward gives."""
    found = {}
    for protein in PROTEINS:
        _, _, tokens = model.alphabet.get_batch_converter()([(protein.id, protein.sequence)])
        with torch.no_grad():
            states = model(tokens, repr_layers=[3])["representations"][3]
        found[protein.digest] = states[0, 1:-1].numpy()
    return found


def check(path: Path, expected: dict[bytes, np.ndarray], spec: EncoderSpec = SPEC) -> None:
    encoder = ours.load(spec, Options(weights.find(spec, path), "cpu"))
    for digest, values in encoded(encoder, PROTEINS).items():
        np.testing.assert_allclose(values, expected[digest], atol=1e-4)


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value.clone() for name, value in state.items()}


def hugging_face(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names transformers give."""
    named = {}
    for name, value in state.items():
        for theirs, own in (
            ("embed_tokens.", "esm.embeddings.word_embeddings."),
            ("emb_layer_norm_after.", "esm.encoder.emb_layer_norm_after."),
            ("layers.", "esm.encoder.layer."),
            ("self_attn.rot_emb.", "attention.self.rotary_embeddings."),
            ("self_attn.q_proj.", "attention.self.query."),
            ("self_attn.k_proj.", "attention.self.key."),
            ("self_attn.v_proj.", "attention.self.value."),
            ("self_attn.out_proj.", "attention.output.dense."),
            ("self_attn_layer_norm.", "attention.LayerNorm."),
            ("fc1.", "intermediate.dense."),
            ("fc2.", "output.dense."),
            ("final_layer_norm.", "LayerNorm."),
        ):
            name = name.replace(theirs, own)
        named[name] = value.clone()
    return named


FAIR = "encoder.sentence_encoder."
LAYOUTS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "bare": lambda s: s,
    "model without cfg": lambda s: {"model": prefixed(s, FAIR)},
    "args without token dropout": lambda s: {"args": {}, "model": prefixed(s, FAIR)},
    "lightning": lambda s: {"state_dict": prefixed(s, "model."), "epoch": 3},
    "data parallel": lambda s: prefixed(s, "module."),
    "data parallel of fair-esm": lambda s: {"model": prefixed(s, f"module.{FAIR}")},
    "nested": lambda s: {"model": {"state_dict": prefixed(s, "esm.")}},
    "compiled": lambda s: prefixed(s, "_orig_mod."),
    "fsdp": lambda s: {
        f"_fsdp_wrapped_module.{n.replace('.self_attn.', '._fsdp_wrapped_module.self_attn.')}": v
        for n, v in s.items()
    },
    "beside a head": lambda s: prefixed(s, "backbone.") | {"head.weight": torch.ones(2, 48)},
    "transformers": hugging_face,
    "transformers in a task's model": lambda s: {
        "state_dict": prefixed(hugging_face(s), "net.plm.") | {"net.head.bias": torch.ones(2)}
    },
    "with buffers": lambda s: s | {"version": torch.ones(1), "embed_positions._float_tensor": s[
        "emb_layer_norm_after.bias"][:1]},
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_the_same_numbers_in_any_layout(
    tmp_path: Path, model: Any, expected: dict[bytes, np.ndarray], layout: str, suffix: str
) -> None:
    content = LAYOUTS[layout](dict(model.state_dict()))
    path = tmp_path / f"any{suffix}"
    if suffix == ".pt":
        torch.save(content, path)
    elif all(map(torch.is_tensor, content.values())):
        save_file({name: value.clone().contiguous() for name, value in content.items()}, path)
    else:
        pytest.skip("safetensors hold names and tensors only")
    check(path, expected)


def test_files_of_old_torch_are_read(tmp_path: Path, model: Any, expected) -> None:
    path = tmp_path / "old.pt"
    torch.save({"model": model.state_dict()}, path, _use_new_zipfile_serialization=False)
    check(path, expected)


def test_half_precision_weights_are_what_they_round_to(tmp_path: Path, model: Any) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        torch.save({n: v.to(dtype) for n, v in model.state_dict().items()}, tmp_path / "half.pt")
        rounded = {n: v.to(dtype).float() for n, v in model.state_dict().items()}
        torch.save(rounded, tmp_path / "full.pt")
        spec, options = SPEC, Options(None, "cpu")
        half, full = (
            encoded(ours.load(spec, replace(options, weights=tmp_path / name)), PROTEINS)
            for name in ("half.pt", "full.pt")
        )
        assert all(np.array_equal(half[digest], full[digest]) for digest in full)


def without(name: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda s: {key: value for key, value in s.items() if key != name}


def changed(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], Any]:
    return lambda s: {key: change(v) if key == name else v for key, v in s.items()}


Q = "layers.1.self_attn.q_proj.weight"
REFUSED: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "a weight less": (without(Q), rf"lacks weights \({Q}\)"),
    "no last norm": (without("emb_layer_norm_after.bias"), "lacks weights"),
    "a layer less": (
        lambda s: {n: v for n, v in s.items() if not n.startswith("layers.2")},
        "2 layers and width 48",
    ),
    "adapters": (lambda s: s | {"layers.0.adapter.weight": torch.ones(4, 4)}, "would be left out"),
    "LoRA": (
        lambda s: s | {"layers.0.self_attn.q_proj.lora_A.default.weight": torch.ones(4, 48)},
        "merge_and_unload",
    ),
    "quantised": (changed(Q, lambda v: (v * 100).to(torch.int8)), "quantised weights"),
    "another shape": (changed(Q, lambda v: v[:20]), "another shape"),
    "another alphabet": (
        changed("embed_tokens.weight", lambda v: v.repeat(14, 1)[:446]), "446 tokens"),
    "learned positions": (
        lambda s: s | {"embed_positions.weight": torch.ones(1026, 48)}, "would be left out"),
    "two models": (
        lambda s: prefixed(s, "student.") | prefixed(s, "teacher."), "several models"),
    "another model": (lambda s: {"conv.weight": torch.ones(3, 3)}, r"no ESM \(conv.weight\)"),
    "a list": (lambda s: list(s.values()), "no weights by name"),
    "weights elsewhere": (lambda s: {"weights": s, "epoch": 3}, "no weights by name but weig"),
    "other heads": (
        lambda s: {"args": {"attention_heads": 8}, "model": s}, "8 attention heads"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_give_other_numbers_is_refused(tmp_path: Path, model: Any, kind: str) -> None:
    change, said = REFUSED[kind]
    torch.save(change(dict(model.state_dict())), tmp_path / "odd.pt")
    encoder = ours.load(SPEC, Options(tmp_path / "odd.pt", "cpu"))
    with pytest.raises(WeightsError, match=said) as refused:
        list(encoder.encode(PROTEINS))
    assert "odd.pt" in str(refused.value)


def test_esm1_is_not_taken_for_esm2_nor_the_other_way(tmp_path: Path, model: Any) -> None:
    torch.save(model.state_dict(), tmp_path / "esm2.pt")
    spec = replace(registry.spec("esm1b"), dim=48, layers=3, heads=4)
    with pytest.raises(WeightsError, match=r"lacks weights \(embed_positions.weight\)"):
        list(ours.load(spec, Options(tmp_path / "esm2.pt", "cpu")).encode(PROTEINS))


CONFIG = {
    "hidden_size": 48, "num_attention_heads": 4, "layer_norm_eps": 1e-5, "token_dropout": True,
    "position_embedding_type": "rotary", "emb_layer_norm_before": False,
}  # fmt: skip


def test_a_named_file_is_read_whatever_stands_beside_it(
    tmp_path: Path, model: Any, expected
) -> None:
    """`best.safetensors` beside `model.safetensors` is not exchanged for it."""
    state = hugging_face(dict(model.state_dict()))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_file({name: 2 * value for name, value in state.items()}, tmp_path / "model.safetensors")
    save_file(state, tmp_path / "best.safetensors")
    check(tmp_path / "best.safetensors", expected)
    with pytest.raises(AssertionError):
        check(tmp_path / "model.safetensors", expected)


def test_strays_in_a_model_folder_change_nothing(tmp_path: Path, model: Any, expected) -> None:
    state = hugging_face(dict(model.state_dict()))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_file(state, tmp_path / "model.safetensors")
    before = ours.load(SPEC, Options(tmp_path, "cpu")).fingerprint
    for name in (".DS_Store", "._model.safetensors", "._config.json", "model copy.safetensors",
                 "model (1).safetensors", "pytorch_model.bin~", "config 2.json"):  # fmt: skip
        (tmp_path / name).write_bytes(b"Mac OS X")
    check(tmp_path, expected)
    assert ours.load(SPEC, Options(tmp_path, "cpu")).fingerprint == before


@pytest.mark.parametrize(
    ("left_out", "said"),
    [("position_embedding_type", "absolute positions"), ("num_attention_heads", "12 attention")],
)
def test_what_a_config_leaves_out_is_what_transformers_take(
    tmp_path: Path, model: Any, left_out: str, said: str
) -> None:
    save_file(hugging_face(dict(model.state_dict())), tmp_path / "model.safetensors")
    config = {name: value for name, value in CONFIG.items() if name != left_out}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=said):
        list(ours.load(SPEC, Options(tmp_path, "cpu")).encode(PROTEINS))


def test_a_config_without_token_dropout_is_without(tmp_path: Path, model: Any, expected) -> None:
    transformers = pytest.importorskip("transformers")
    save_file(hugging_face(dict(model.state_dict())), tmp_path / "model.safetensors")
    config = {name: value for name, value in CONFIG.items() if name != "token_dropout"}
    config |= {
        "model_type": "esm", "vocab_size": 33, "num_hidden_layers": 3, "intermediate_size": 192,
        "max_position_embeddings": 1026, "pad_token_id": 1, "mask_token_id": 32,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    theirs = transformers.EsmModel.from_pretrained(tmp_path, add_pooling_layer=False).eval()
    found = {}
    for protein in PROTEINS:
        _, _, tokens = model.alphabet.get_batch_converter()([(protein.id, protein.sequence)])
        with torch.no_grad():
            states = theirs(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        found[protein.digest] = states.last_hidden_state[0, 1:-1].numpy()
    check(tmp_path, found)
    assert not np.allclose(found[PROTEINS[0].digest], expected[PROTEINS[0].digest], atol=1e-2)


def test_an_index_names_files_beside_it_only(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    index = {"weight_map": {"a": "../../secret.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="not beside it"):
        ours.load(SPEC, Options(tmp_path, "cpu"))
