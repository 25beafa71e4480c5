"""Any transformers folder: the tokenizer is checked, and rows are transformers' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.errors import UnknownNameError, WeightsError
from sesstore.proteins import Protein

from ..conformance.encoder import EncoderConformance, random_proteins

transformers = pytest.importorskip("transformers")

AMINO = list("LAGVSERTIDPKQNFYMHWCXBUZO")


def of_esm(folder: Path) -> Any:
    """A small ESM-2 with its tokenizer, as facebook's folders are."""
    from transformers import EsmConfig, EsmModel, EsmTokenizer

    torch.manual_seed(0)
    tokens = ["<cls>", "<pad>", "<eos>", "<unk>", *AMINO, ".", "-", "<null_1>", "<mask>"]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(tokens))
    EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = EsmConfig(
        vocab_size=33, hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=96, max_position_embeddings=204, position_embedding_type="rotary",
        token_dropout=False, mask_token_id=32, pad_token_id=1, emb_layer_norm_before=False,
    )  # fmt: skip
    model = EsmModel(config, add_pooling_layer=False).eval()
    model.save_pretrained(folder)
    return model


def of_bert(folder: Path) -> Any:
    """A small BERT that wants its letters apart, as ProtBert does."""
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(1)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *AMINO]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(tokens))
    BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    config = BertConfig(
        vocab_size=30, hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=96, max_position_embeddings=204,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False).eval()
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def esm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hf") / "small-esm"
    of_esm(folder)
    return folder


def load(folder: Path, **options: Any) -> Encoder:
    return registry.load(f"hf:{folder}", device="cpu", **options)


class TestFolder(EncoderConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, esm_folder: Path) -> None:
        self.folder = esm_folder

    def load(self, long: str = "windows") -> Encoder:
        return load(self.folder, long=long)


@pytest.mark.parametrize("make", [of_esm, of_bert])
def test_rows_and_layers_are_those_of_transformers(make: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model = make(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    spaced = make is of_bert
    encoder = load(folder, layers="0,all")
    proteins = [*random_proteins([30, 7, 1]), Protein("odd", "MKXXUZOBW")]
    own = {(e.digest, e.output): e.values for e in encoder.encode(proteins)}
    for protein in proteins:
        text = " ".join(protein.sequence) if spaced else protein.sequence
        tokens = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            states = model(**tokens, output_hidden_states=True).hidden_states
        assert len(states) == len(encoder.fingerprints)
        for output, state in enumerate(states):
            values = np.asarray(own[protein.digest, output])
            np.testing.assert_allclose(values, state[0, 1:-1].numpy(), atol=1e-5)


def test_the_name_is_the_folders_and_a_moved_folder_is_the_same_encoder(
    esm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(esm_folder)
    assert encoder.full_name == "hf:small-esm"
    assert encoder.window == 200
    (tmp_path / "small-esm").symlink_to(esm_folder)
    monkeypatch.chdir(tmp_path)
    assert registry.load("hf:small-esm").fingerprint == encoder.fingerprint
    again = registry.load_same(encoder.fingerprint, weights=esm_folder)
    assert again.fingerprint == encoder.fingerprint
    assert registry.stored_name(f"hf:{esm_folder}@-1") == "hf:small-esm@3"
    assert registry.title(encoder.fingerprint) == "hf:small-esm@3"
    with pytest.raises(UnknownNameError, match="hf:FOLDER"):
        registry.load("hf:nowhere")


def test_another_tokenizer_is_another_encoder(tmp_path: Path) -> None:
    of_esm(tmp_path / "one")
    before = load(tmp_path / "one").fingerprint
    settings = tmp_path / "one" / "tokenizer_config.json"
    settings.write_text(settings.read_text() + " ")
    assert load(tmp_path / "one").fingerprint != before


def test_a_tokenizer_of_words_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    folder = tmp_path / "words"
    of_bert(folder)
    words = Tokenizer(WordLevel({"[UNK]": 0, "ACDEFGHIKLMNPQRSTVWY": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    for file in (*folder.glob("tokenizer*"), folder / "vocab.txt"):
        file.unlink()
    made.save_pretrained(folder)
    with pytest.raises(WeightsError, match="1 tokens for 20 residues"):
        list(load(folder).encode(random_proteins([5])))


def test_absent_weights_are_no_random_ones(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    of_esm(tmp_path / "cut")
    file = tmp_path / "cut" / "model.safetensors"
    state = load_file(file)
    state.pop(next(name for name in state if "layer.1.output.dense.weight" in name))
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="lacks weights"):
        list(load(tmp_path / "cut").encode(random_proteins([5])))
