"""ESM-1b and ESM-1v against fair-esm and transformers, on small random models."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sesstore.encoders import esm as ours
from sesstore.encoders import registry
from sesstore.encoders.catalogue import Options
from sesstore.proteins import Protein

from ..conformance.encoder import EncoderConformance, encoded, random_proteins

PROTEINS = [*random_proteins([1, 40, 3, 111]), Protein("odd", "MKXXUZOBWX")]


def written(path: Path, first_norm: bool) -> Path:
    """Write a random model as fair-esm's files of ESM-1b (`first_norm`) or ESM-1v are."""
    from esm import Alphabet, ProteinBertModel

    torch.manual_seed(4)
    args = argparse.Namespace(
        arch="roberta_large", layers=3, embed_dim=48, ffn_embed_dim=96, attention_heads=4,
        max_positions=1024, token_dropout=True, emb_layer_norm_before=first_norm,
        logit_bias=True, final_bias=True, max_tokens=1024,
    )  # fmt: skip
    model = ProteinBertModel(args, Alphabet.from_architecture("ESM-1b"))
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    state = {
        f"encoder.sentence_encoder.{name}": value
        for name, value in model.state_dict().items()
        if not name.startswith(("lm_head", "contact_head"))
    }
    torch.save({"args": args, "model": state}, path)
    torch.save(model.state_dict(), path.with_suffix(".whole"))
    return path


def by_fair_esm(path: Path, first_norm: bool) -> dict[bytes, np.ndarray]:
    from esm import Alphabet, ProteinBertModel

    with torch.serialization.safe_globals([argparse.Namespace]):
        args = torch.load(path, weights_only=True)["args"]
    alphabet = Alphabet.from_architecture("ESM-1b")
    model = ProteinBertModel(args, alphabet)
    model.load_state_dict(torch.load(path.with_suffix(".whole"), weights_only=True))
    model.eval()
    assert hasattr(model, "emb_layer_norm_before") == first_norm or not first_norm
    found = {}
    for protein in PROTEINS:
        _, _, tokens = alphabet.get_batch_converter()([(protein.id, protein.sequence)])
        with torch.no_grad():
            states = model(tokens, repr_layers=[3])["representations"][3]
        found[protein.digest] = states[0, 1:-1].numpy()
    return found


@pytest.fixture(scope="module", params=["esm1b", "esm1v_1"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp(request.param) / "small.pt"
    spec = replace(registry.spec(request.param), dim=48, layers=3, heads=4)
    return written(path, request.param == "esm1b"), spec, request.param == "esm1b"


class TestEsm1(EncoderConformance):
    @pytest.fixture(autouse=True)
    def _checkpoint(self, checkpoint) -> None:
        self.path, self.spec, _ = checkpoint

    def load(self, long: str = "windows"):
        return ours.load(self.spec, Options(self.path, "cpu", long))


def check(found: dict[bytes, np.ndarray], expected: dict[bytes, np.ndarray]) -> None:
    for digest, theirs in expected.items():
        worst = np.abs(found[digest] - theirs).max(1) / np.abs(theirs).max(1)
        assert worst.max() <= 1e-4


def test_equals_fair_esm(checkpoint) -> None:
    path, spec, first_norm = checkpoint
    mine = encoded(ours.load(spec, Options(path, "cpu")), PROTEINS)
    check(mine, by_fair_esm(path, first_norm))


@pytest.mark.parametrize("name", ["esm2_t6", "esm1b", "esm1v_1"])
def test_equals_transformers(tmp_path: Path, name: str) -> None:
    transformers = pytest.importorskip("transformers")
    from esm import Alphabet

    torch.manual_seed(5)
    rotary = name.startswith("esm2")
    config = transformers.EsmConfig(
        vocab_size=33, hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=192, max_position_embeddings=1026, pad_token_id=1, mask_token_id=32,
        position_embedding_type="rotary" if rotary else "absolute", token_dropout=True,
        emb_layer_norm_before=name == "esm1b",
    )  # fmt: skip
    model = transformers.EsmModel(config, add_pooling_layer=False).eval()
    model.save_pretrained(tmp_path)
    spec = replace(registry.spec(name), dim=48, layers=3, heads=4)
    mine = encoded(ours.load(spec, Options(tmp_path, "cpu")), PROTEINS)
    alphabet = Alphabet.from_architecture("ESM-1b")
    expected = {}
    for protein in PROTEINS:
        _, _, tokens = alphabet.get_batch_converter()([(protein.id, protein.sequence)])
        with torch.no_grad():
            states = model(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        expected[protein.digest] = states.last_hidden_state[0, 1:-1].numpy()
    check(mine, expected)
