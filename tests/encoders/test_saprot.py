"""SaProt against transformers' ESM, which is the code it runs by, on a small random model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sesstore.alphabets import FOLDSEEK
from sesstore.encoders import registry, saprot
from sesstore.encoders.base import Encoder
from sesstore.encoders.catalogue import Options, StructureSource
from sesstore.errors import InputError, WeightsError
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens

from ..conformance.encoder import EncoderConformance, encoded, random_proteins

transformers = pytest.importorskip("transformers")

from .saprot_model import SPEC, write_small_saprot  # noqa: E402


def tokens_of(protein: Protein, plddt: bool = False) -> StructureTokens:
    """Seeded 3Di codes, some masked, of two conformers of which the first counts."""
    rng = np.random.default_rng(len(protein))
    codes = rng.integers(0, 21, (2, len(protein))).astype(np.uint8)
    scores = rng.integers(0, 101, len(protein)).astype(np.uint8)
    return StructureTokens(protein.digest, "pdb", {"foldseek": codes}, scores if plddt else None)


class Source:
    """Tokens of every protein it is told of, and of others none."""

    def __init__(self, *, plddt: bool = False) -> None:
        self.plddt = plddt
        self.proteins: dict[bytes, Protein] = {}

    def read(self, digests) -> list[StructureTokens | None]:
        found = [self.proteins.get(digest) for digest in digests]
        return [None if p is None else tokens_of(p, self.plddt) for p in found]

    def knows(self, *proteins: Protein) -> Source:
        self.proteins |= {protein.digest: protein for protein in proteins}
        return self


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("saprot")
    return folder, write_small_saprot(folder)


def load(folder: Path, source: Source, min_plddt: int = 0, **options: Any) -> Encoder:
    structure = StructureSource("pdb", source.read, min_plddt)
    return saprot.load(SPEC, Options(folder, "cpu", structure=structure, **options))


class TestSaprot(EncoderConformance):
    @pytest.fixture(autouse=True)
    def _model(self, model) -> None:
        self.path, _ = model

    def load(self, long: str = "windows") -> Encoder:
        encoder = load(self.path, source := Source(), long=long)
        encode = encoder.encode

        def encode_with_tokens(proteins):
            source.knows(*proteins)
            return encode(proteins)

        encoder.encode = encode_with_tokens  # type: ignore[method-assign]
        return encoder


def written(protein: Protein, tokens: StructureTokens, min_plddt: int = 0) -> str:
    """What SaProt's authors feed their tokenizer: letters and small states in turn."""
    states = FOLDSEEK.decode(tokens.codes["foldseek"][0]).lower()
    if min_plddt:
        scores = tokens.plddt
        states = "".join("#" if scores[i] < min_plddt else s for i, s in enumerate(states))
    letters = "".join(a if a in "ACDEFGHIKLMNPQRSTVWY" else "#" for a in protein.sequence)
    return "".join(a + s for a, s in zip(letters, states, strict=True))


@pytest.mark.parametrize("min_plddt", [0, 70])
def test_equals_transformers_and_its_tokenizer(model, min_plddt: int) -> None:
    folder, made = model
    tokenizer = transformers.EsmTokenizer(str(folder / "vocab.txt"))
    proteins = [*random_proteins([1, 60, 3, 200]), Protein("odd", "MKXXUZOBWJX")]
    source = Source(plddt=True).knows(*proteins)
    mine = encoded(load(folder, source, min_plddt), proteins)
    for protein in proteins:
        text = written(protein, tokens_of(protein, plddt=True), min_plddt)
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        assert ids.shape[1] == len(protein) + 2
        with torch.no_grad():
            states = made.esm(ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        theirs = states[0, 1:-1].numpy()
        worst = np.abs(mine[protein.digest] - theirs).max(1) / np.abs(theirs).max(1)
        assert worst.max() <= 1e-4


def test_other_states_give_other_values(model) -> None:
    folder, _ = model
    (protein,) = random_proteins([50])
    one = encoded(load(folder, Source().knows(protein)), [protein])
    masked = encoded(load(folder, Source(plddt=True).knows(protein), 100), [protein])
    assert np.abs(one[protein.digest] - masked[protein.digest]).max() > 0.01


def test_what_has_no_tokens_is_listed_and_the_rest_done(model) -> None:
    folder, _ = model
    structured, bare = random_proteins([30, 20])
    encoder = load(folder, Source().knows(structured))
    assert set(encoded(encoder, [structured, bare])) == {structured.digest}
    assert encoder.failures == {bare.digest: "it has no 3Di tokens from pdb"}
    unsure = load(folder, Source().knows(structured), 70)
    assert not encoded(unsure, [structured])
    (reason,) = unsure.failures.values()
    assert reason == "its tokens from pdb have no pLDDT: leave --min-plddt out"


def test_the_fingerprint_holds_the_source_and_the_threshold(model) -> None:
    folder, _ = model
    plain, masked = load(folder, Source()).fingerprint, load(folder, Source(), 70).fingerprint
    assert plain.structure == masked.structure == "pdb"
    assert plain.digest != masked.digest
    other = StructureSource("alphafold2", Source().read)
    elsewhere = saprot.load(SPEC, Options(folder, "cpu", structure=other)).fingerprint
    assert elsewhere.digest != plain.digest
    assert plain.title == "SaProt_35M_AF2+pdb"


def test_without_a_source_it_says_how_to_go_on(model) -> None:
    folder, _ = model
    with pytest.raises(InputError, match=r"embed --plm saprot_35m --source NAME"):
        registry.load("saprot_35m", weights=folder)


def test_another_vocabulary_is_refused(model, tmp_path: Path) -> None:
    folder, _ = model
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "vocab.txt").write_text("<cls>\n<eos>\nA\n")
    (protein,) = random_proteins([5])
    with pytest.raises(WeightsError, match="none of SaProt"):
        encoded(load(tmp_path, Source().knows(protein)), [protein])


def test_a_file_of_another_name_has_its_vocabulary_beside_it(model, tmp_path: Path) -> None:
    folder, _ = model
    (protein,) = random_proteins([20])
    expected = encoded(load(folder, Source().knows(protein)), [protein])
    for source, name in (("pytorch_model.bin", "best.pt"), ("vocab.txt", "vocab.txt")):
        (tmp_path / name).write_bytes((folder / source).read_bytes())
    values = encoded(load(tmp_path / "best.pt", Source().knows(protein)), [protein])
    np.testing.assert_allclose(values[protein.digest], expected[protein.digest], atol=1e-5)


def test_the_mapping_names_the_threshold_and_failures_are_of_the_latest(model) -> None:
    folder, _ = model
    assert load(folder, Source()).fingerprint.residue_mapping == "aa+3Di, XUZOBJ->#"
    assert (
        load(folder, Source(), 70).fingerprint.residue_mapping == "aa+3Di, XUZOBJ->#, pLDDT<70->#"
    )
    structured, bare = random_proteins([30, 20])
    encoder = load(folder, Source().knows(structured))
    list(encoder.encode([bare]))
    assert set(encoder.failures) == {bare.digest}
    list(encoder.encode([structured]))
    assert encoder.failures == {}
