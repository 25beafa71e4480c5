"""The data set for torch's loader gives each protein its own values and its own label."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import NotStoredError
from sesstore.exchange.arrays import StoredProteins
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task

PROTEINS = [Protein(f"p{i}", "MKVLACDEFGHIW"[: 3 + i]) for i in range(8)]
LABELS = {protein.id: i / 8 for i, protein in enumerate(PROTEINS)}
VALUES = {
    protein.id: np.full((len(protein), 2), i, np.float16) for i, protein in enumerate(PROTEINS)
}


def provenance(name: str) -> Provenance:
    return Provenance(Fingerprint(name, "ab" * 32, 6, "m", "whole", "fp32"), 2, "float16")


def split(proteins: list[Protein]) -> Split:
    digests = np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)
    # Ids of the task's own, so that they cannot be the store's.
    return Split(
        tuple(f"row of {p.id}" for p in proteins), digests, [LABELS[p.id] for p in proteins]
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two encoders; a task whose splits are in no order."""
    made = Store.create(tmp_path / "s")
    made.add_proteins(PROTEINS)
    for name, factor in (("enc", 1), ("other", 100)):
        with made.writer(provenance(name), {}) as writer:
            for protein in PROTEINS[:7]:
                writer.add(Embedding(protein.digest, VALUES[protein.id] * np.float16(factor)))
    splits = {
        "train": split([PROTEINS[i] for i in (5, 0, 3, 5)]),
        "valid": split([PROTEINS[2]]),
        "test": split([PROTEINS[6], PROTEINS[7]]),
    }
    made.add_task(Task("t", Problem.REGRESSION, (), splits, ("spearman",), "spearman"))
    return made


def test_rows_of_a_task_have_their_own_ids_labels_and_values(store: Store) -> None:
    rows = StoredProteins(store, "enc", task="t")
    assert [row["id"] for row in map(rows.__getitem__, range(4))] == [
        "row of p5", "row of p0", "row of p3", "row of p5"
    ]  # fmt: skip
    for i, name in enumerate(("p5", "p0", "p3", "p5")):
        assert rows[i]["label"] == LABELS[name]
        assert np.array_equal(rows[i]["embedding"], VALUES[name])
    assert rows[-2]["label"] == LABELS["p3"]
    assert rows[-4]["label"] == rows[0]["label"]
    for beyond in (-5, 4):
        with pytest.raises(IndexError):
            rows[beyond]
    (valid,) = StoredProteins(store, "enc", task="t", split="valid")
    assert (valid["id"], valid["label"], valid["embedding"][0, 0]) == ("row of p2", 2 / 8, 2)


def test_all_proteins_of_the_named_encoder(store: Store) -> None:
    rows = StoredProteins(store, "other")
    assert len(rows) == 7
    found = {row["id"]: row["embedding"] for row in rows}
    assert found.keys() == VALUES.keys() - {"p7"}
    for name, values in found.items():
        assert values.dtype == np.float32
        assert np.array_equal(values, 100 * VALUES[name].astype(np.float32))
    with pytest.raises(IndexError):
        rows[7]


def test_what_is_given_belongs_to_the_caller(store: Store) -> None:
    rows = StoredProteins(store, "enc", task="t")
    rows[0]["embedding"][:] = -1
    assert np.array_equal(rows[0]["embedding"], VALUES["p5"])


def test_another_process_opens_the_same_rows(store: Store) -> None:
    rows = StoredProteins(store, "other", task="t")
    copy = pickle.loads(pickle.dumps(rows))
    assert copy[1]["label"] == LABELS["p0"]
    assert np.array_equal(copy[1]["embedding"], 0 * VALUES["p0"])
    assert np.array_equal(copy[0]["embedding"], 100 * VALUES["p5"].astype(np.float32))


def test_a_row_without_an_embedding_is_said_at_once(store: Store) -> None:
    with pytest.raises(NotStoredError, match="t/test have no embedding"):
        StoredProteins(store, "enc", task="t", split="test")
