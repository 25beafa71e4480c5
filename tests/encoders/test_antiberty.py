"""AntiBERTy, a BERT with real weights, against its origin's forward in transformers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sesstore.encoders import registry, weights
from sesstore.encoders.base import Encoder
from sesstore.errors import MissingExtraError
from sesstore.proteins import Protein

from ..conformance.encoder import EncoderConformance

transformers = pytest.importorskip("transformers")
if importlib.util.find_spec("antiberty") is None:
    pytest.skip("needs the package antiberty (26 M weights)", allow_module_level=True)

HEAVY = Protein(
    "heavy",
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWG"
    "GDGFYAMDYWGQGTLVTVSS",
)
LIGHT = Protein(
    "light",
    "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQ"
    "GTKVEIK",
)
"""Variable domains of trastuzumab."""


class TestAntiberty(EncoderConformance):
    def load(self, long: str = "windows") -> Encoder:
        return registry.load("antiberty", device="cpu", long=long)


def origin(proteins: list[Protein]) -> list[np.ndarray]:
    """Hidden states [9, L, d] as the package's runner reads them: without [CLS] and [SEP]."""
    path = weights.packaged(registry.spec("antiberty"))
    assert path is not None
    model: Any = transformers.BertModel.from_pretrained(path, add_pooling_layer=False).eval()
    tokens = (path.parent / "vocab.txt").read_text().splitlines()
    states = []
    for protein in proteins:
        letters = [c if c in tokens else "[UNK]" for c in protein.sequence]
        ids = [tokens.index(token) for token in ("[CLS]", *letters, "[SEP]")]
        with torch.no_grad():
            out = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
        states.append(torch.stack(out)[:, 0, 1:-1].numpy())
    return states


def test_every_layer_equals_the_origin() -> None:
    proteins = [HEAVY, LIGHT, Protein("odd", "EVQXXUZOBJLVE")]
    encoder = registry.load("antiberty", device="cpu", layers="0,all")
    own: dict[tuple[bytes, object], np.ndarray] = {}
    for embedding in encoder.encode(proteins):
        layer = encoder.fingerprints[embedding.output].layer
        own[embedding.digest, layer] = np.asarray(embedding.values)
    for protein, states in zip(proteins, origin(proteins), strict=True):
        for layer, state in enumerate(states):
            worst = np.abs(own[protein.digest, layer] - state).max(1) / np.abs(state).max(1)
            assert worst.max() <= 1e-4


def test_the_package_is_not_imported_and_its_files_are_enough(tmp_path: Path) -> None:
    path = weights.packaged(registry.spec("antiberty"))
    assert path is not None
    for file in (*path.iterdir(), path.parent / "vocab.txt"):
        (tmp_path / file.name).symlink_to(file)
    named = registry.load("antiberty", weights=tmp_path, device="cpu")
    assert named.fingerprint == registry.load("antiberty", device="cpu").fingerprint
    assert len(list(named.encode([LIGHT]))) == 1
    assert "antiberty" not in sys.modules


def test_without_the_package_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "packaged", lambda spec: None)
    with pytest.raises(MissingExtraError, match=r"sesstore\[antiberty\]"):
        registry.load("antiberty")
