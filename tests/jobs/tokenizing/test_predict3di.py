from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry, t5
from sesstore.encoders.base import Encoder
from sesstore.encoders.catalogue import Options
from sesstore.encoders.threedi import ThreeDiHead
from sesstore.errors import InputError
from sesstore.jobs.tokenizing import predict3di
from sesstore.jobs.tokenizing.predict3di import predict_3di
from sesstore.proteins import Protein
from sesstore.store import Store

from ...encoders.test_threedi import written
from ..embedding.test_embed import Failing


@pytest.fixture
def prostt5(tmp_path: Path) -> Encoder:
    """A random ProstT5 of one thin layer and the real width."""
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        vocab_size=40, d_model=1024, d_kv=8, d_ff=16, num_layers=1, num_heads=2
    )
    folder = tmp_path / "prostt5"
    transformers.T5EncoderModel(config).save_pretrained(folder)
    tokens = ["<pad>", "</s>", "<unk>", "<AA2fold>", *"ACDEFGHIKLMNPQRSTVWYX"]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    spec = replace(registry.spec("prostt5"), layers=1, heads=2)
    return t5.load(spec, Options(folder, "cpu"))


def test_tokens_are_those_of_the_stored_embeddings(
    store: Store, proteins: list[Protein], prostt5: Encoder, tmp_path: Path
) -> None:
    head = written(tmp_path / "model.pt")
    report = predict_3di(store, proteins[:6], prostt5, head)
    assert (report.chains, report.failed) == (6, {})
    tokens, view = store.tokens("prostt5"), store.embeddings()
    for protein in proteins[:6]:
        found = tokens.get(protein.digest)
        assert found is not None
        expected = ThreeDiHead(head)(view.get(protein.digest))
        np.testing.assert_array_equal(found.codes["foldseek"], expected)
        assert "ProstT5 CNN head" in found.tool
    again = predict_3di(store, proteins[:8], prostt5, head)
    assert (again.already_stored, again.chains) == (6, 2)


def test_another_encoder_is_refused(store: Store, proteins, encoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="by prostt5, not by blosum62"):
        predict_3di(store, proteins, encoder, written(tmp_path / "model.pt"))


def test_each_sequence_counts_once_and_what_cannot_be_embedded_is_named(
    store: Store, prostt5: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict3di, "_STORED_AT_ONCE", 2)
    head = written(tmp_path / "model.pt")
    sequences = {"a": "MKV", "b": "MKVL", "bad": "MKVLA", "c": "MKVLAA", "again": "MKV"}
    proteins = [Protein(name, sequence) for name, sequence in sequences.items()]
    report = predict_3di(store, proteins, Failing(prostt5, {"bad"}), head, source="mine")
    assert store.sources() == ["mine"]
    assert (report.source, report.structures, report.already_stored) == ("mine", 4, 0)
    assert (report.chains, report.residues, report.coverage) == (3, 13, 1.0)
    assert [p.sequence for p in report.proteins] == ["MKV", "MKVL", "MKVLAA"]
    assert report.failed == {"bad": "too odd"}
    stored = store.tokens("mine").has([protein.digest for protein in proteins])
    assert stored.tolist() == [True, True, False, True, True]
    report = predict_3di(store, proteins[:2], prostt5, head, source="mine")
    assert (report.structures, report.already_stored, report.chains) == (2, 2, 0)
    assert predict_3di(store, proteins[:2], prostt5, head, source="other").chains == 2
