"""ProtT5, ProstT5, Ankh, ProtBert and ESM C against transformers, on small random models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.encoders.catalogue import EncoderSpec, Options
from sesstore.errors import WeightsError
from sesstore.products import amx
from sesstore.proteins import Protein

from ..conformance.encoder import EncoderConformance, encoded, random_proteins
from .conftest import esmc, module, transformers

AMINO = list("ALGVSREDTIPKFQNYMHWCXBOUZ")


ODD = Protein("odd", "MKXXUZOBWJX")


def word_level(folder: Path, tokens: list[str]) -> None:
    """A tokenizer file with one token a word."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    known = {token: i for i, token in enumerate(tokens)}
    Tokenizer(WordLevel(known, unk_token=tokens[2])).save(str(folder / "tokenizer.json"))


def t5(name: str, folder: Path) -> tuple[EncoderSpec, Any, Callable[[str], list[int]]]:
    torch.manual_seed(1)
    ankh = name.startswith("ankh")
    config = transformers.T5Config(
        vocab_size=40,
        d_model=48,
        d_kv=16,
        d_ff=96,
        num_layers=3,
        num_heads=4,
        feed_forward_proj="gated-gelu" if ankh else "relu",
        relative_attention_num_buckets=32 if ankh else 16,
        relative_attention_max_distance=128 if ankh else 60,
        layer_norm_epsilon=1e-6 if ankh else 1e-2,
    )
    model = transformers.T5EncoderModel(config).eval()
    model.save_pretrained(folder)
    extra = {"prostt5": ["<AA2fold>"], "ankh3_large": ["[NLU]"]}.get(name, [])
    mark = "" if ankh else "▁"
    tokens = ["<pad>", "</s>", "<unk>", *(mark + a for a in AMINO), *extra]
    word_level(folder, tokens)
    to_x = "J" if ankh else "UZOBJ"

    def ids(sequence: str) -> list[int]:
        letters = ["X" if a in to_x else a for a in sequence]
        return [tokens.index(t) for t in [*extra, *(mark + a for a in letters), "</s>"]]

    return replace(registry.spec(name), dim=48, layers=3, heads=4), model, ids


def bert(name: str, folder: Path) -> tuple[EncoderSpec, Any, Callable[[str], list[int]]]:
    torch.manual_seed(2)
    config = transformers.BertConfig(
        vocab_size=30,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=4000,
        layer_norm_eps=1e-2,
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    model.save_pretrained(folder)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *AMINO]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")

    def ids(sequence: str) -> list[int]:
        letters = ["X" if a in "UZOBJ" else a for a in sequence]
        return [tokens.index(t) for t in ["[CLS]", *letters, "[SEP]"]]

    return replace(registry.spec(name), dim=48, layers=3, heads=4, window=700), model, ids


MAKERS = {
    "prott5": t5,
    "prostt5": t5,
    "ankh_base": t5,
    "ankh3_large": t5,
    "protbert": bert,
    "esmc_300m": esmc,
}


@pytest.fixture(scope="module", params=MAKERS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp(request.param)
    spec, model, ids = MAKERS[request.param](request.param, folder)
    return folder, spec, model, ids


def ours(made, long: str = "windows") -> Encoder:
    folder, spec, _, _ = made
    encoder: Encoder = module(spec).load(spec, Options(folder, "cpu", long))
    return encoder


class TestFamilies(EncoderConformance):
    @pytest.fixture(autouse=True)
    def _made(self, made) -> None:
        self.made = made

    def load(self, long: str = "windows") -> Encoder:
        return ours(self.made, long)


@pytest.mark.usefixtures("attending")
def test_equals_transformers_for_every_residue(made) -> None:
    _, _, model, ids = made
    proteins = [*random_proteins([1, 60, 3, 331, 61]), ODD]
    mine = encoded(ours(made), proteins)
    for protein in proteins:
        tokens = ids(protein.sequence)
        with torch.no_grad():
            states = model(input_ids=torch.tensor([tokens])).last_hidden_state[0]
        first = len(tokens) - len(protein) - 1
        theirs = states[first : first + len(protein)].numpy()
        worst = np.abs(mine[protein.digest] - theirs).max(1) / np.abs(theirs).max(1)
        assert worst.max() <= 1e-4


@pytest.mark.usefixtures("attending")
@pytest.mark.parametrize(("precision", "near"), [("fp32", 2e-5), ("bf16", 4e-2)])
def test_a_matrix_unit_gives_the_same_embeddings(
    made, emulated, monkeypatch, precision, near
) -> None:
    """Between its products all is float32, whatever the precision."""
    folder, spec, _, _ = made
    proteins = random_proteins([1, 41])
    by_unit = module(spec).load(spec, Options(folder, "cpu", precision=precision))
    found = encoded(by_unit, proteins)
    monkeypatch.setattr(amx, "kernel", lambda: None)
    for digest, expected in encoded(ours(made), proteins).items():
        values = found[digest].astype(np.float32)
        assert np.linalg.norm(values - expected) <= near * np.linalg.norm(expected)


def test_another_size_is_refused(made) -> None:
    folder, spec, _, _ = made
    other = module(spec).load(replace(spec, layers=5), Options(folder, "cpu"))
    with pytest.raises(WeightsError, match="3 layers and width 48"):
        list(other.encode(random_proteins([5])))


def test_a_cut_off_folder_is_a_clear_error(made, tmp_path: Path) -> None:
    folder, spec, _, _ = made
    for file in folder.iterdir():
        raw = file.read_bytes()
        cut = raw[: len(raw) // 2] if file.suffix == ".safetensors" else raw
        (tmp_path / file.name).write_bytes(cut)
    encoder = module(spec).load(spec, Options(tmp_path, "cpu"))
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        list(encoder.encode(random_proteins([5])))


def test_operations_of_heads_wider_than_the_rows(made) -> None:
    """Scores and sums of ProtT5's heads have 4,096 columns, its rows 1,024."""
    _, spec, model, _ = made
    if spec.family != "t5":
        pytest.skip("only T5's heads have a width of their own")
    encoder = ours(made)
    config = model.config
    square = encoder.flops(1000) - 2 * encoder.flops(499)  # the linear part gone: 1002 = 2 x 501
    assert square == 4 * 3 * (1002**2 - 2 * 501**2) * config.num_heads * config.d_kv
    assert encoder.bytes_per_residue() >= 4 * (4 * 64 + 4 * 48 + 48)
