"""Small random models in the formats of their origin, and a cache folder of the tests' own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from sesstore.attention import native
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.encoders.registry import EncoderSpec


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
