"""ISM, SaESM2 and DPLM in their own files against transformers' ESM, by which they run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sesstore.encoders import esm as ours
from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.encoders.catalogue import Options
from sesstore.proteins import Protein

from ..conformance.encoder import EncoderConformance, random_proteins

transformers = pytest.importorskip("transformers")

PROTEINS = [*random_proteins([1, 40, 3, 111]), Protein("odd", "MKXXUZOBWX")]
NAMES = ("ism_t33", "saesm2_t12", "dplm_650m")


def small(name: str):
    return replace(registry.spec(name), dim=48, layers=3, heads=4)


def write(name: str, folder: Path) -> Any:
    """Write a random model as the repository of that name has it."""
    torch.manual_seed(7)
    config = transformers.EsmConfig(
        vocab_size=33, hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=192, max_position_embeddings=1026, pad_token_id=1, mask_token_id=32,
        position_embedding_type="rotary", token_dropout=True, emb_layer_norm_before=False,
        layer_norm_eps=1e-5,
    )  # fmt: skip
    model = transformers.EsmForMaskedLM(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    if registry.spec(name).files[0] == "pytorch_model.bin":
        config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    else:
        model.save_pretrained(folder)
    return model


@pytest.fixture(scope="module", params=NAMES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp(request.param)
    return request.param, path, write(request.param, path)


class TestVariants(EncoderConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, folder) -> None:
        self.name, self.path, _ = folder

    def load(self, long: str = "windows") -> Encoder:
        return ours.load(small(self.name), Options(self.path, "cpu", long))


def test_equals_transformers_at_every_layer(folder) -> None:
    from esm import Alphabet

    name, path, model = folder
    alphabet = Alphabet.from_architecture("ESM-1b")
    encoder = ours.load(small(name), Options(path, "cpu", layers="0-3"))
    values = {(e.digest, e.output): e.values for e in encoder.encode(PROTEINS)}
    for protein in PROTEINS:
        _, _, tokens = alphabet.get_batch_converter()([(protein.id, protein.sequence)])
        with torch.no_grad():
            states = model.esm(
                tokens, attention_mask=torch.ones_like(tokens), output_hidden_states=True
            )
        for layer, state in enumerate(states.hidden_states):
            theirs = state[0, 1:-1].numpy()
            worst = np.abs(values[protein.digest, layer] - theirs).max() / np.abs(theirs).max()
            assert worst <= 1e-4


def test_each_has_an_identity_of_its_own(folder) -> None:
    name, path, _ = folder
    fingerprint = ours.load(small(name), Options(path, "cpu")).fingerprint
    assert fingerprint.encoder == registry.spec(name).full_name
    assert not fingerprint.encoder.startswith("esm2")


def test_what_their_authors_state_no_licence_for_is_not_for_commerce() -> None:
    assert not registry.spec("ism_t33").commercial_use
    assert registry.spec("dplm_650m").commercial_use
    assert not registry.spec("ankh_base").commercial_use
