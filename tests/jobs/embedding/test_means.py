"""Means of proteins: from stored residues or the encoder, under a fingerprint of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.errors import NotStoredError, WeightsError
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.means import MeanEncoder, means_of, protein_means
from sesstore.jobs.embedding.missing_proteins import plan_embedding
from sesstore.jobs.training.baselines import task_rows
from sesstore.proteins import Protein
from sesstore.sharing.pull import pull
from sesstore.sharing.push import push
from sesstore.store import Store
from sesstore.store.compaction import compact
from sesstore.store.integrity import verify

from ..conftest import labelled


def no_weights() -> Encoder:
    raise WeightsError("there are no weights here. Name them with --weights")


def residue_means(encoder: Encoder, proteins: list[Protein]) -> dict[bytes, np.ndarray]:
    return {e.digest: e.values.mean(0, dtype=np.float32) for e in encoder.encode(proteins)}


def test_means_by_the_encoder_are_means_of_its_residues(store: Store, encoder, proteins) -> None:
    means = MeanEncoder(encoder)
    plan = plan_embedding(store, means, proteins, dtype="float32")
    assert plan.bytes == 40 * encoder.dim * 4
    report = embed(store, means, plan=plan, dtype="float32")
    assert (report.encoded, report.residues) == (40, sum(map(len, proteins)))
    view = store.embeddings(means.fingerprint)
    for digest, mean in residue_means(encoder, proteins).items():
        np.testing.assert_allclose(view.get(digest), mean[None], rtol=1e-6)
    assert verify(store.path).bad == []


def test_stored_residues_are_used_and_the_encoder_does_the_rest(store, encoder, proteins) -> None:
    embed(store, encoder, proteins[:30], dtype="float32")
    asked: list[str] = []

    def watched() -> Encoder:
        real = registry.load("blosum62")
        encode = real.encode

        def noting(wanted):
            asked.extend(protein.id for protein in wanted)
            return encode(wanted)

        real.encode = noting
        return real

    means = means_of(store, "blosum62", watched)
    embed(store, means, proteins, dtype="float32")
    assert sorted(asked) == sorted(protein.id for protein in proteins[30:])
    view = store.embeddings(means.fingerprint)
    for digest, mean in residue_means(encoder, proteins).items():
        np.testing.assert_allclose(view.get(digest), mean[None], rtol=1e-6)


def test_without_weights_means_come_from_what_is_stored(store, encoder, proteins) -> None:
    with pytest.raises(WeightsError, match="--weights"):
        means_of(store, "blosum62", no_weights)
    embed(store, encoder, proteins[:39])
    store.add_proteins(proteins)
    report = embed(store, means_of(store, "blosum62", no_weights))
    assert report.encoded == 39
    assert list(report.failed) == [proteins[39].id]
    assert "--weights" in report.failed[proteins[39].id]


def test_names_stand_for_residues_and_fingerprints_for_either(store, encoder, proteins) -> None:
    means = MeanEncoder(encoder)
    embed(store, means, proteins)
    with pytest.raises(NotStoredError, match="means of proteins by BLOSUM62"):
        store.embeddings("blosum62")
    with pytest.raises(NotStoredError, match="without --reduce"):
        store.embeddings()
    assert store.residue_encoders() == []
    assert store.embeddings(means.fingerprint.short).provenance.fingerprint == means.fingerprint
    embed(store, encoder, proteins)
    for query in (None, "blosum62", encoder.fingerprint, encoder.fingerprint.short):
        assert store.embeddings(query).provenance.fingerprint == encoder.fingerprint


def test_a_fingerprint_of_residues_is_what_it_was_before_there_were_means(encoder) -> None:
    fingerprint = encoder.fingerprint
    assert "reduction" not in fingerprint.to_json()
    assert fingerprint.of_means.digest != fingerprint.digest
    assert fingerprint.of_means.of_residues == fingerprint
    assert type(fingerprint).from_json(fingerprint.of_means.to_json()) == fingerprint.of_means
    assert replace(fingerprint, reduction="").digest == fingerprint.digest


def test_means_travel_and_are_compacted_as_residues_are(
    store, encoder, proteins, tmp_path: Path
) -> None:
    pytest.importorskip("obstore")
    means = MeanEncoder(encoder)
    for part in (proteins[:20], proteins[20:]):
        embed(store, means, part)
    compact(store)
    push(store, str(tmp_path / "shared"))
    copy = Store.create(tmp_path / "copy")
    pull(copy, str(tmp_path / "shared"))
    assert len(copy.embeddings(means.fingerprint)) == 40
    assert verify(copy.path).bad == []


def test_means_of_a_protein_with_two_rows_are_blamed(store, encoder, proteins) -> None:
    means = MeanEncoder(encoder)
    embed(store, means, proteins[:3])
    provenance = store.embeddings(means.fingerprint).provenance
    (wrong,) = encoder.encode([Protein("w", "MKVLA")])
    store.add_proteins([Protein("w", "MKVLA")])
    with store.writer(provenance, {}) as writer:
        writer.add(type(wrong)(wrong.digest, wrong.values.astype(np.float16)))
    assert any("another length" in fault.what for fault in verify(store.path).bad)


def test_simple_models_read_stored_means(store, encoder, proteins) -> None:
    task = labelled(store, proteins)
    embed(store, encoder, proteins, dtype="float32")
    view, digests = store.embeddings("blosum62"), task.split("test").digests
    from_residues = protein_means(store, view, digests)
    embed(store, MeanEncoder(encoder, [view]), dtype="float32")
    from_means = protein_means(store, view, digests)
    np.testing.assert_allclose(from_means, from_residues, rtol=1e-5, atol=1e-6)
    rows = task_rows(store, task, view)["test"]
    np.testing.assert_array_equal(rows.means, from_means)


def test_means_that_are_stored_of_some_only_are_not_taken_for_others(store, encoder, proteins):
    embed(store, encoder, proteins, dtype="float32")
    view = store.embeddings("blosum62")
    embed(store, MeanEncoder(encoder, [view]), proteins[:10], dtype="float32")
    digests = np.stack([np.frombuffer(p.digest, np.uint8) for p in proteins[5:15]])
    expected = residue_means(encoder, proteins)
    for row, mean in zip(digests, protein_means(store, view, digests), strict=True):
        np.testing.assert_allclose(mean, expected[row.tobytes()], rtol=1e-5, atol=1e-6)
