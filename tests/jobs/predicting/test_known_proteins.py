from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import UnknownNameError
from sesstore.jobs.predicting.embedding_source import InMemoryEmbeddings
from sesstore.jobs.predicting.known_proteins import KnownProteins, known_proteins
from sesstore.jobs.predicting.loaded_run import LoadedRun
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.tasks import Problem, Task

from ...noting import Noting
from ..conftest import Seeded


@pytest.fixture
def copied(seeded: Seeded, tmp_path: Path) -> Store:
    """The store of a run, without means."""
    shutil.copytree(seeded.store.path, tmp_path / "store")
    store = Store.open(tmp_path / "store")
    assert not any(p.fingerprint.reduction for p in store.encoders())
    return store


def embedded(store: Store, count: int) -> tuple[list[Protein], InMemoryEmbeddings]:
    """Proteins of train, and their stored embeddings."""
    view = store.embeddings()
    digests = [row.tobytes() for row in store.task("toy").splits["train"].digests[:count]]
    values = {digest: np.asarray(view.get(digest)) for digest in digests}
    return list(store.proteins(digests)), InMemoryEmbeddings(view.provenance, values)


def test_means_are_made_once_and_labels_told(seeded: Seeded, copied: Store) -> None:
    loaded, progress = LoadedRun(seeded.report.run), Noting()
    known = known_proteins(copied, loaded, progress=progress)
    assert known is not None
    rows = sum(len(np.unique(split.digests, axis=0)) for split in seeded.task.splits.values())
    assert len(known) == rows
    assert f"{rows} proteins have no mean yet" in progress.notes[0]
    proteins, embeddings = embedded(copied, 4)
    split = seeded.task.splits["train"]
    for place, hits in enumerate(known.nearest(proteins, embeddings, 3)):
        assert len(hits) == 3
        assert hits[0]["digest"] == proteins[place].digest.hex()
        assert hits[0]["similarity"] == pytest.approx(1, abs=1e-3)
        assert (hits[0]["split"], hits[0]["identity"]) == ("train", 1.0)
        assert hits[0]["label"] == seeded.task.classes[split.labels[place]]
    again = Noting()
    assert known_proteins(copied, loaded, progress=again) is not None
    assert again.notes == []


def test_another_task_or_a_file_may_be_named(seeded: Seeded, copied: Store, tmp_path: Path) -> None:
    loaded, (member, *_) = LoadedRun(seeded.report.run), embedded(copied, 1)[0]
    fasta = tmp_path / "two.fasta"
    fasta.write_text(f">mine\n{member.sequence}\n>new\nMKVLAAGIVGLCA\n")
    neighbours = known_proteins(copied, loaded, str(fasta))
    assert neighbours is not None
    assert len(neighbours) == 2
    (hits,) = neighbours.nearest(*embedded(copied, 1), 3)
    assert hits[0]["digest"] == member.digest.hex()
    assert "label" not in hits[0]
    with pytest.raises(UnknownNameError, match="toy"):
        known_proteins(copied, loaded, "tooy")


def test_a_file_is_searched_alone_whatever_else_has_a_mean(
    seeded: Seeded, copied: Store, tmp_path: Path
) -> None:
    loaded = LoadedRun(seeded.report.run)
    everything = known_proteins(copied, loaded)
    (protein, *_), embeddings = embedded(copied, 2)
    fasta = tmp_path / "one.fasta"
    fasta.write_text(f">mine\n{protein.sequence}\n")
    alone = known_proteins(copied, loaded, str(fasta))
    assert everything is not None
    assert alone is not None
    assert len(everything) > len(alone) == 1
    (hits,) = alone.nearest([protein], embeddings, 3)
    assert [hit["digest"] for hit in hits] == [protein.digest.hex()]


def test_a_store_that_cannot_be_written_keeps_what_it_has(
    seeded: Seeded, copied: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    progress = Noting()
    assert known_proteins(copied, LoadedRun(seeded.report.run), progress=progress) is None
    assert "cannot be written" in progress.notes[0]
    assert not any(p.fingerprint.reduction for p in copied.encoders())


def test_labels_of_every_problem(seeded: Seeded, copied: Store) -> None:
    known = known_proteins(copied, LoadedRun(seeded.report.run))
    assert known is not None
    proteins, embeddings = embedded(copied, 1)
    split = seeded.task.splits["train"]

    def label(problem: Problem, value: object) -> object:
        labels = [value, *split.labels[1:]]
        task = Task.__new__(Task)
        for name, part in vars(seeded.task).items():
            object.__setattr__(task, name, part)
        object.__setattr__(task, "problem", problem)
        object.__setattr__(task, "splits", {"train": replace(split, labels=labels)})
        (hits,) = KnownProteins(known._lookup, task).nearest(proteins, embeddings, 1)
        return hits[0].get("label", "nothing")

    assert label(Problem.SINGLE_LABEL, 1) == "in"
    assert label(Problem.MULTI_LABEL, [0, 1]) == ["out", "in"]
    assert label(Problem.MULTI_LABEL, []) == []
    assert label(Problem.REGRESSION, 36.61234) == 36.6123
    assert label(Problem.RESIDUE_SINGLE_LABEL, [0, 1]) == "nothing"
    (hits,) = KnownProteins(known._lookup, None).nearest(proteins, embeddings, 1)
    assert "label" not in hits[0]
