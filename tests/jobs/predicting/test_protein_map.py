"""What is on a map: which proteins, what is known of each, and who is near."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.jobs.predicting import neighbour_search, protein_map
from sesstore.jobs.predicting.map_columns import task_columns
from sesstore.jobs.predicting.protein_map import NEAREST, MapOptions, map_proteins
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store
from sesstore.store.digest_index import as_rows
from sesstore.tasks import Problem, Split, Task

PCA = MapOptions("pca")


@pytest.fixture
def mapped(store: Store, proteins: list[Protein]) -> Store:
    """All proteins but the first have an embedding, and all are of a task."""
    store.add_proteins(proteins)
    rng = np.random.default_rng(2)
    fingerprint = Fingerprint("enc", "unknown", 6, "unknown", "unknown", "fp16", "npy")
    with store.writer(Provenance(fingerprint, 8), {}) as writer:
        for protein in proteins[1:]:
            writer.add(
                Embedding(protein.digest, rng.random((len(protein), 8), np.float32).astype("f2"))
            )
    digests = as_rows(protein.digest for protein in proteins)
    ids = tuple(protein.id for protein in proteins)
    classes = [i % 2 for i in range(len(ids))]
    splits = {
        "train": Split(ids[::2], digests[::2], classes[::2]),
        "test": Split(ids[1::2], digests[1::2], classes[1::2]),
    }
    store.add_task(
        Task("toy", Problem.SINGLE_LABEL, ("even", "odd"), splits, ("accuracy",), "accuracy")
    )
    return store


def test_a_task_has_its_splits_and_classes_and_says_who_is_missing(
    mapped: Store, proteins: list[Protein]
) -> None:
    view = mapped.embeddings("enc")
    wanted = {p.digest: p for p in proteins[1:]}
    drawn = map_proteins(mapped, None, PCA)
    assert {p.digest for p in drawn.proteins} == set(wanted)
    assert drawn.without_mean == 1
    assert "Not on it, as they have no embedding: 1 proteins." in drawn.notes()
    means = np.stack([view.get(p.digest).astype(np.float32).mean(0) for p in drawn.proteins])
    centred = means - means.mean(0)
    u, s, _ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    expected, share = u[:, :2] * s[:2], (s**2 / (s**2).sum())[:2]
    np.testing.assert_allclose(np.abs(drawn.points), np.abs(expected), atol=5e-3)
    assert drawn.caption == (
        f"39 proteins, mean embeddings by enc, first two principal components "
        f"({share[0]:.0%} and {share[1]:.0%} of the variance)"
    )
    assert {len(row) for row in drawn.nearest} == {NEAREST}
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    cosine = unit @ unit.T - 2 * np.eye(len(unit))
    for row, similarity in zip(drawn.nearest, cosine, strict=True):
        assert similarity[row] == pytest.approx(np.sort(similarity)[::-1][: len(row)], abs=1e-3)
    lengths = [len(p) for p in drawn.proteins]
    assert drawn.columns["residues"] == lengths
    assert [row["residues"] for row in drawn.rows()] == lengths
    assert drawn.kinds()["residues"] == "number"


def test_labels_are_those_of_each_protein(mapped: Store, proteins: list[Protein]) -> None:
    digests = as_rows(protein.digest for protein in proteins)
    columns = task_columns(mapped.task("toy"), digests[::-1])
    numbers = list(range(len(proteins)))[::-1]
    assert columns["split"] == ["test" if n % 2 else "train" for n in numbers]
    assert columns["toy"] == ["odd" if n % 2 else "even" for n in numbers]


def test_of_too_many_some_are_drawn_and_said(mapped: Store, monkeypatch) -> None:
    monkeypatch.setattr(protein_map, "MOST_POINTS", 5)
    monkeypatch.setattr(protein_map, "MOST_COMPARED", 4)
    drawn = map_proteins(mapped, "toy", PCA)
    assert len(drawn.proteins) == len(drawn.points) == 5
    assert drawn.nearest == []
    assert drawn.notes()[0] == f"5 of {drawn.proteins_in_all} proteins, drawn at random."
    again = map_proteins(mapped, "toy", PCA)
    assert [p.id for p in again.proteins] == [p.id for p in drawn.proteins]


def test_as_many_as_may_be_drawn_and_compared(mapped: Store, monkeypatch) -> None:
    monkeypatch.setattr(protein_map, "MOST_POINTS", 39)
    monkeypatch.setattr(protein_map, "MOST_COMPARED", 39)
    drawn = map_proteins(mapped, "toy", PCA)
    assert (len(drawn.proteins), len(drawn.nearest), drawn.proteins_in_all) == (39, 39, 39)
    assert not any("drawn at random" in note for note in drawn.notes())


def test_columns_of_tables_stand_beside_those_there_are(mapped: Store, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("id,residues,score\np5,1,0.5\nnobody,2,3\np7,,1.5\n")
    drawn = map_proteins(mapped, "toy", MapOptions("pca", [tmp_path / "mine.csv"]))
    assert list(drawn.columns) == ["toy", "split", "residues", "mine: residues", "score"]
    rows = {row["id"]: row for row in drawn.rows()}
    assert [rows[name]["score"] for name in ("p5", "p6", "p7")] == [0.5, None, 1.5]
    assert [rows[name]["mine: residues"] for name in ("p5", "p7")] == [1, None]
    assert rows["p5"]["residues"] != 1
    assert drawn.unmatched == {str(tmp_path / "mine.csv"): 1}
    assert drawn.kinds()["score"] == "number"
    assert drawn.kinds()["split"] == "text"


def test_what_has_no_mean_gets_one_by_the_encoder_that_is_named(
    store: Store, proteins: list[Protein], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, object]] = []

    def load(name: str, **settings: object) -> object:
        calls.append(settings)
        return registry.load(name)

    def load_same(fingerprint: Fingerprint, **settings: object) -> object:
        calls.append(settings)
        return registry.load_same(fingerprint)

    names = {"spec": registry.spec, "stored_name": registry.stored_name}
    monkeypatch.setattr(neighbour_search, "registry", SimpleNamespace(load=load, **names))
    monkeypatch.setattr(protein_map, "registry", SimpleNamespace(load_same=load_same))
    fasta = tmp_path / "x.fasta"
    fasta.write_text("".join(f">{p.id}\n{p.sequence}\n" for p in proteins[:4]))
    options = MapOptions("pca", (), "blosum62", Path("w.pt"), "cpu")
    drawn = map_proteins(store, str(fasta), options)
    assert [p.id for p in drawn.proteins] == ["p0", "p1", "p2", "p3"]
    assert (drawn.name, drawn.encoder, list(drawn.columns)) == (
        str(fasta),
        "BLOSUM62",
        ["residues"],
    )
    assert len(calls) == 2
    assert all(call == {"weights": Path("w.pt"), "device": "cpu"} for call in calls)
