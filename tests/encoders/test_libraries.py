"""What is asked of transformers and onnxruntime, with stand-ins for both: the wiring alone.

That rows are theirs is tested beside the libraries themselves.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from sesstore.encoders import registry
from sesstore.encoders.onnx_file import OnnxFile
from sesstore.encoders.transformers_folder import TransformersFolder, tokeniser_of
from sesstore.errors import MissingExtraError, WeightsError

from .test_letters import Letters

CONFIG = {"hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2}


class Model:
    """Hidden state n of every row is n; what is done to it is told."""

    def __init__(self, states: int = 3, **config: Any) -> None:
        self.states, self.config, self.calls = states, SimpleNamespace(**config), list[Any]()

    def get_encoder(self) -> Model:
        self.calls.append("encoder")
        return self

    def eval(self) -> Model:
        self.calls.append("eval")
        return self

    def to(self, device: torch.device) -> Model:
        self.calls.append(device)
        return self

    def __call__(
        self, input_ids: Tensor, attention_mask: Tensor, output_hidden_states: bool
    ) -> Any:
        self.calls.append((input_ids.tolist(), attention_mask.tolist()))
        shape = (*input_ids.shape, 4)
        states = [torch.full(shape, float(n)) for n in range(self.states)]
        return SimpleNamespace(hidden_states=states if output_hidden_states else None)


class Library(ModuleType):
    """Transformers, as far as a folder needs it."""

    def __init__(self, model: Model, missing: tuple[str, ...] = ()) -> None:
        super().__init__("transformers")
        self.model, self.missing, self.asked = model, missing, list[tuple[Path, dict[str, Any]]]()
        self.verbosity, self.bars = 30, list[str]()
        self.logging = SimpleNamespace(
            get_verbosity=lambda: self.verbosity,
            set_verbosity=lambda value: setattr(self, "verbosity", value),
            set_verbosity_error=lambda: setattr(self, "verbosity", 40),
            disable_progress_bar=lambda: self.bars.append("off"),
            enable_progress_bar=lambda: self.bars.append("on"),
        )
        self.AutoModel = SimpleNamespace(from_pretrained=self._load_model)
        self.AutoTokenizer = SimpleNamespace(from_pretrained=self._load_tokenizer)

    def _load_model(self, path: Path, **options: Any) -> tuple[Model, dict[str, Any]]:
        self.asked.append((path, options))
        assert self.verbosity == 40
        if self.missing == ("all",):
            raise OSError("no file\nmore words")
        return self.model, {"missing_keys": set(self.missing)}

    def _load_tokenizer(self, path: Path, **options: Any) -> Letters:
        self.asked.append((path, options))
        if self.missing == ("all",):
            raise ValueError
        return Letters()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def loaded(monkeypatch: pytest.MonkeyPatch, folder: Path, library: Any, **options: Any) -> Any:
    monkeypatch.setitem(sys.modules, "transformers", library)
    encoder = registry.load(f"hf:{folder}", device="cpu", **options)
    assert isinstance(encoder, TransformersFolder)
    return encoder


def test_a_folder_is_read_from_the_disk_without_code_of_its_own(monkeypatch, folder) -> None:
    library = Library(Model(), ("pooler.dense.weight",))
    encoder = loaded(monkeypatch, folder, library, precision="bf16")
    _ = encoder.model, encoder.tokeniser()
    (model_path, model_options), (tokenizer_path, tokenizer_options) = library.asked
    assert model_path == tokenizer_path == folder
    assert tokenizer_options == {"local_files_only": True, "trust_remote_code": False}
    assert model_options == tokenizer_options | {
        "output_loading_info": True, "dtype": torch.bfloat16,
    }  # fmt: skip
    assert library.model.calls == ["eval", torch.device("cpu")]
    assert (library.verbosity, library.bars) == (30, ["off", "on"])


def test_of_a_model_of_two_halves_the_encoder_runs(monkeypatch, folder) -> None:
    library = Library(Model(is_encoder_decoder=True))
    _ = loaded(monkeypatch, folder, library).model
    assert library.model.calls[0] == "encoder"


def test_weights_that_are_absent_are_named_and_what_transformers_says_too(
    monkeypatch, folder
) -> None:
    library = Library(Model(), ("b.weight", "a.weight", "pooler.bias", "c", "d"))
    with pytest.raises(WeightsError, match=r"needs \(a.weight, b.weight, c\)"):
        loaded(monkeypatch, folder, library).build()
    library = Library(Model(), ("all",))
    with pytest.raises(WeightsError, match=r"transformers cannot load '.*': no file\. Name"):
        loaded(monkeypatch, folder, library).build()
    assert (library.verbosity, library.bars) == (30, ["off", "on"])
    with pytest.raises(WeightsError, match=r"cannot load '.*': ValueError"):
        tokeniser_of(folder, "hf:x")


def test_rows_of_wanted_layers_come_without_padding_and_without_what_is_no_residue(
    monkeypatch, folder
) -> None:
    from ..conformance.encoder import random_proteins

    library = Library(Model())
    encoder = loaded(monkeypatch, folder, library, layers="2,0")
    proteins = random_proteins([3, 2])
    layers = {p.digest: [0.0, 0.0] for p in proteins}
    for embedding in encoder.encode(proteins):
        length = next(len(p) for p in proteins if p.digest == embedding.digest)
        assert embedding.values.shape == (length, 4)
        layers[embedding.digest][embedding.output] = float(embedding.values[0, 0])
    assert set(map(tuple, layers.values())) == {(2.0, 0.0)}
    library = Library(Model(states=4))
    with pytest.raises(WeightsError, match=r"gives 4 hidden states, and its config\.json says 2"):
        list(loaded(monkeypatch, folder, library).encode(proteins))


def test_without_a_library_the_extra_is_named(monkeypatch, folder) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"encoder 'hf:x' .*sesstore\[hf\]"):
        tokeniser_of(folder, "hf:x")
    with pytest.raises(MissingExtraError, match=r"sesstore\[hf\]"):
        loaded(monkeypatch, folder, None).build()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (folder / "m.onnx").write_bytes(b"")
    encoder: Any = registry.load(f"onnx:{folder / 'm.onnx'}", device="cpu")
    with pytest.raises(MissingExtraError, match=r"m\.onnx' .*sesstore\[onnx\]"):
        encoder.build()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_session_runs_where_the_encoder_does(monkeypatch, folder, device: str) -> None:
    sessions: list[Any] = []
    library = ModuleType("onnxruntime")

    def session(path: str, settings: Any, providers: list[str]) -> Any:
        sessions.append((path, settings, providers))
        return SimpleNamespace(get_inputs=lambda: [SimpleNamespace(name="input_ids")])

    library.SessionOptions = lambda: SimpleNamespace(intra_op_num_threads=0)  # type: ignore[attr-defined]
    library.InferenceSession = session  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxruntime", library)
    (folder / "m.onnx").write_bytes(b"")
    encoder: Any = registry.load(f"onnx:{folder / 'm.onnx'}", device="cpu")
    assert isinstance(encoder, OnnxFile)
    encoder.device = torch.device(device)
    encoder.build()
    ((path, settings, providers),) = sessions
    assert path == str(folder / "m.onnx")
    assert providers == [{"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[device]]
    assert settings.intra_op_num_threads == (1 if device == "cpu" else 0)
