"""T5: biases by distance, memory, and which weights it reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sesstore.attention import fused, native
from sesstore.encoders import registry, t5
from sesstore.encoders.catalogue import Options
from sesstore.encoders.t5 import bucket
from sesstore.errors import WeightsError
from sesstore.products import amx

from ..conformance.encoder import encoded, random_proteins
from .test_folders_families import t5 as write_t5


def test_buckets_are_those_of_transformers() -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    offset = torch.arange(-3000, 3000)
    for count in (32, 64):
        theirs = T5Attention._relative_position_bucket(offset, True, count, 128)
        torch.testing.assert_close(bucket(offset, count, 128), theirs)


SPEC = replace(registry.spec("prott5"), dim=48, layers=3, heads=4)


def of_config(folder: Path, **config: int) -> t5.T5:
    """An encoder of which only the settings are there: it reads its weights later."""
    settings = {"num_layers": 3, "d_model": 48, "num_heads": 4, "d_kv": 16, "d_ff": 96}
    (folder / "config.json").write_text(json.dumps(settings | config))
    return t5.load(SPEC, Options(folder, "cpu"))


def test_memory_is_that_of_the_widest_rows_and_of_the_bias_where_torch_attends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amx, "kernel", lambda: None)
    monkeypatch.setattr(native, "kernel", lambda: "ours")
    assert of_config(tmp_path).bytes_per_residue() == 16 * 48 * 4  # as of every encoder
    wide_heads = of_config(tmp_path, d_kv=256).bytes_per_residue()
    assert wide_heads == (4 * 48 + 4 * 4 * 256) * 4 + 4 * 48
    wide_hidden = of_config(tmp_path, d_ff=4096)
    assert wide_hidden.bytes_per_residue() == (4 * 48 + 2 * 4096) * 4 + 4 * 48
    monkeypatch.setattr(native, "kernel", lambda: None)
    bias = 2 * 4 * 2000 * 4  # heads, window, bytes
    assert wide_hidden.bytes_per_residue() == (4 * 48 + 2 * 4096) * 4 + 4 * 48 + bias


@pytest.mark.parametrize("kernel", [None, "ours"])
def test_on_a_gpu_the_kernel_that_counts_is_that_of_the_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str | None
) -> None:
    encoder, calls = of_config(tmp_path), []
    encoder.device = torch.device("cuda", 0)
    monkeypatch.setattr(fused, "biased_attention", lambda *what: (calls.append(what), kernel)[1])
    extra = 0 if kernel else 2 * 4 * 2000 * encoder.result_size
    assert encoder.bytes_per_residue() == 16 * 48 * encoder.result_size + extra
    assert calls == [(encoder.device, encoder.dtype, 16)]


def test_products_are_counted_with_the_tokens_around(tmp_path: Path) -> None:
    encoder = of_config(tmp_path)
    rows, weights = 102, 2 * SPEC.parameters * 102
    assert encoder.flops(100) == weights + 4 * 3 * rows * rows * 64


def test_the_embedding_goes_by_either_name_and_what_is_absent_is_named(tmp_path: Path) -> None:
    spec, _, _ = write_t5("prott5", tmp_path)
    file, proteins = tmp_path / "model.safetensors", random_proteins([9])
    expected = encoded(t5.load(spec, Options(tmp_path, "cpu")), proteins)
    state = load_file(file)
    names = ("shared.weight", "encoder.embed_tokens.weight")
    table = next(state.pop(name) for name in names if name in state)
    for name in names:
        save_file({**state, name: table}, file)
        values = encoded(t5.load(spec, Options(tmp_path, "cpu")), proteins)
        assert (values[proteins[0].digest] == expected[proteins[0].digest]).all()
    lost = "encoder.block.2.layer.1.DenseReluDense.wo.weight"
    del state[lost]
    save_file({**state, "shared.weight": table}, file)
    with pytest.raises(WeightsError, match=f"is no T5 encoder: it lacks '{lost}'"):
        t5.load(spec, Options(tmp_path, "cpu")).build()


def test_a_width_that_the_settings_lack_is_named(tmp_path: Path) -> None:
    encoder = of_config(tmp_path)
    (tmp_path / "config.json").write_text('{"num_heads": 4, "d_ff": 96}')
    for cost in (encoder.bytes_per_residue, lambda: encoder.flops(9)):
        with pytest.raises(WeightsError, match=r"config\.json' lacks 'd_kv'"):
            cost()
