"""What a model's folder says of it, and which of its files are part of what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sesstore.encoders import registry
from sesstore.encoders.folder_spec import folder_spec
from sesstore.errors import UnknownNameError, WeightsError

CONFIG = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
FILES = (
    "added_tokens.json", "special_tokens_map.json", "spiece.model", "tokenizer.json",
    "tokenizer_config.json", "vocab.txt",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(CONFIG))
    for name in FILES:
        (path / name).write_text("[]")
    return path


@pytest.mark.parametrize("name", FILES)
def test_each_file_that_decides_what_letters_become_is_part_of_it(folder: Path, name: str) -> None:
    """Weights have a hash of their own."""
    mappings = [folder_spec(f"hf:{folder}").reading.mapping]
    (folder / name).write_text("[1]")
    mappings.append(folder_spec(f"hf:{folder}").reading.mapping)
    (folder / name).unlink()
    mappings.append(folder_spec(f"hf:{folder}").reading.mapping)
    assert len(set(mappings)) == 3
    (folder / "README.md").write_text("other words")
    assert folder_spec(f"hf:{folder}").reading.mapping == mappings[-1]


def test_settings_of_the_forward_are_part_of_it(folder: Path) -> None:
    before = folder_spec(f"hf:{folder}")
    (folder / "config.json").write_text(json.dumps({**CONFIG, "layer_norm_eps": 1e-3}))
    assert folder_spec(f"hf:{folder}").reading.mapping != before.reading.mapping
    assert (before.dim, before.layers, before.heads) == (8, 2, 2)


def test_the_window_leaves_room_for_what_is_no_residue(folder: Path) -> None:
    assert folder_spec(f"hf:{folder}").window == 2000
    config = {**CONFIG, "max_position_embeddings": 1026}
    (folder / "config.json").write_text(json.dumps(config))
    assert folder_spec(f"hf:{folder}").window == 1022


def test_weights_beside_an_onnx_file_are_part_of_it_whatever_its_name(folder: Path) -> None:
    file = folder / "model [1].onnx"
    file.write_bytes(b"a graph")

    def weights() -> str:
        return registry.load(f"onnx:{file}", device="cpu").fingerprint.weights_sha256

    alone = weights()
    (folder / "model 1.onnx_data").write_bytes(b"those of another file")
    assert weights() == alone
    (folder / "model [1].onnx_data").write_bytes(b"weights")
    beside = weights()
    assert beside != alone
    (folder / "model [1].onnx.data").write_bytes(b"more of them")
    assert len({alone, beside, weights()}) == 3


def test_what_is_no_model_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"config\.json"):
        folder_spec(f"hf:{tmp_path}")
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8}))
    with pytest.raises(WeightsError, match="states no num_hidden_layers"):
        folder_spec(f"hf:{folder}")
    for content in ("{", "[]", "null"):
        (folder / "config.json").write_text(content)
        with pytest.raises(WeightsError, match=r"is broken.*Get it again"):
            folder_spec(f"hf:{folder}")


def test_sizes_go_by_the_names_of_any_family(folder: Path, tmp_path: Path) -> None:
    for names in (
        ("hidden_size", "num_hidden_layers", "num_attention_heads"),
        ("d_model", "num_layers", "num_heads"),
        ("d_model", "n_layer", "n_head"),
    ):
        config = dict(zip(names, (8, 3, 2), strict=True))
        (folder / "config.json").write_text(json.dumps(config))
        spec = folder_spec(f"hf:{folder}")
        assert (spec.dim, spec.layers, spec.heads, spec.parameters) == (8, 3, 2, 12 * 3 * 64)
    assert (spec.family, spec.extra, spec.precisions[0]) == ("transformers_folder", "hf", "fp32")
    assert (spec.name, spec.full_name) == (f"hf:{folder}", "hf:model")
    (folder / "x.onnx").write_bytes(b"")
    for spec in (
        folder_spec(f"onnx:{folder / 'x.onnx'}"),
        folder_spec("onnx:elsewhere.onnx", folder / "x.onnx"),
    ):
        assert (spec.family, spec.extra, spec.precisions) == ("onnx_file", "onnx", ("fp32",))
        assert (spec.full_name, spec.layers, spec.parameters) == ("onnx:model", 0, 12 * 3 * 64)
    assert folder_spec("hf:elsewhere", folder).full_name == "hf:model"
    with pytest.raises(UnknownNameError, match=r"no ONNX file is called '.*y\.onnx'"):
        folder_spec(f"onnx:{folder / 'y.onnx'}")


@pytest.mark.parametrize(("positions", "window"), [(5, 1), (4, 2000), ("9", 2000), (None, 2000)])
def test_a_limit_that_leaves_no_room_is_none(folder: Path, positions: object, window: int) -> None:
    config = {**CONFIG, "max_position_embeddings": positions}
    (folder / "config.json").write_text(json.dumps(config))
    assert folder_spec(f"hf:{folder}").window == window
