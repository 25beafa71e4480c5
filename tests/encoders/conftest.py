"""Small random models in the formats of their origin, and a cache folder of the tests' own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sesstore.attention import native
from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.encoders.catalogue import EncoderSpec, Options
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.proteins import Protein


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's caches, or looks for weights on a network."""
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("SESSTORE_ESM_HUB", "http://127.0.0.1:9/")
    monkeypatch.delenv("SESSTORE_WEIGHTS", raising=False)


@pytest.fixture(params=["kernel", "torch"])
def attending(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attention by our kernel, where it is built, and by torch's."""
    if request.param == "torch":
        monkeypatch.setattr(native, "kernel", lambda: None)
    elif native.kernel() is None:
        pytest.skip("installed without the kernel")


@dataclass(frozen=True)
class Checkpoint:
    """A random model on disk."""

    path: Path
    spec: EncoderSpec


@pytest.fixture(scope="session")
def small_esm2(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """An ESM-2 of three layers, width 48, four heads."""
    path = tmp_path_factory.mktemp("esm2") / "small.pt"
    return Checkpoint(path, write_random_esm2(path, layers=3, dim=48, heads=4))


@pytest.fixture(scope="session")
def t6(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A random checkpoint of the size of ``esm2_t6``."""
    path = tmp_path_factory.mktemp("esm2") / "esm2_t6_8M_UR50D.pt"
    return Checkpoint(path, write_random_esm2(path, layers=6, dim=320))


transformers = pytest.importorskip("transformers")


def module(spec: EncoderSpec) -> Any:
    from importlib import import_module

    return import_module(f"sesstore.encoders.{spec.family}")


def esmc(name: str, folder: Path) -> tuple[EncoderSpec, Any, Callable[[str], list[int]]]:
    if not hasattr(transformers, "EsmcModel"):
        pytest.skip("this transformers has no ESM C")
    torch.manual_seed(3)
    config = transformers.EsmcConfig(
        hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4
    )
    model = transformers.EsmcModel(config).eval()
    for parameter in model.parameters():  # norms that do something
        if parameter.ndim == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    from esm import Alphabet

    known = Alphabet.from_architecture("ESM-1b")

    def ids(sequence: str) -> list[int]:
        return [known.cls_idx, *known.encode(sequence.replace("J", "X")), known.eos_idx]

    return replace(registry.spec(name), dim=48, layers=3, heads=4), model, ids


def load(spec: EncoderSpec, path: Path, layers: str = "last") -> Encoder:
    family: Any = import_module(f"sesstore.encoders.{spec.family}")
    encoder: Encoder = family.load(spec, Options(path, "cpu", layers=layers))
    return encoder


def by_layer(encoder: Encoder, proteins: list[Protein]) -> dict[Any, dict[bytes, np.ndarray]]:
    """Values by layer and digest."""
    values: dict[Any, dict[bytes, np.ndarray]] = {f.layer: {} for f in encoder.fingerprints}
    for embedding in encoder.encode(proteins):
        layer = encoder.fingerprints[embedding.output].layer
        values[layer][embedding.digest] = embedding.values
    return values
