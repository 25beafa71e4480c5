"""Nearest proteins of a store, and labels transferred from a task's training proteins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.errors import InputError
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.means import MeanEncoder, stored_means
from sesstore.neighbours import lookup as module
from sesstore.neighbours.cosine import MeanRows
from sesstore.neighbours.label_transfer import Transfer
from sesstore.neighbours.lookup import COUNTS, LabelledLookup, Lookup
from sesstore.proteins import Protein
from sesstore.store import Embeddings, Store
from sesstore.tasks import Problem, Split, Task

BOUNDS = {"train": (0, 30), "valid": (30, 48), "test": (48, 60)}


@pytest.fixture(scope="module")
def proteins() -> list[Protein]:
    """Proteins rich in acids or bases by turns, some of them ambiguous."""
    rng, listed = np.random.default_rng(5), []
    for place in range(60):
        often = ("DE", "KR")[place % 2] * int(rng.integers(1, 6))
        letters = rng.choice(list("ACDEFGHIKLMNPQRSTVWY" + often), 30)
        listed.append(Protein(f"p{place}", "".join(letters)))
    return listed


@pytest.fixture(scope="module")
def store(proteins: list[Protein], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Means in two segments, the later proteins first."""
    store = Store.create(tmp_path_factory.mktemp("lookup") / "store")
    store.add_proteins(proteins)
    for part in (proteins[25:], proteins[:25]):
        embed(store, MeanEncoder(registry.load("onehot")), part)
    return store


def task(proteins: list[Protein], problem: Problem = Problem.SINGLE_LABEL) -> Task:
    rng, splits = np.random.default_rng(6), {}
    for name, (first, last) in BOUNDS.items():
        rows = proteins[first:last]
        digests = np.frombuffer(b"".join(p.digest for p in rows), np.uint8).reshape(-1, 32)
        kinds = [place % 2 for place in range(first, last)]
        labels = [40.0 + 20 * kind + rng.normal(0, 5) for kind in kinds]
        labels = labels if problem.is_regression else kinds
        splits[name] = Split(tuple(p.id for p in rows), digests, labels)
    classes = ("value",) if problem.is_regression else ("acid", "base")
    metric = "rmse" if problem.is_regression else "accuracy"
    return Task("charge", problem, classes, splits, (metric,), metric)


def means(store: Store) -> Embeddings:
    view = stored_means(store, registry.load("onehot").fingerprint)
    assert view is not None
    return view


def vectors(store: Store, proteins: list[Protein]) -> np.ndarray:
    view = means(store)
    return np.stack([view.get(p.digest)[0] for p in proteins]).astype(np.float32)


def test_hits_are_the_nearest_by_cosine(store: Store, proteins: list[Protein]) -> None:
    queries = proteins[3:5]
    rows = vectors(store, proteins)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = list(Lookup(store, means(store)).search(queries, rows[3:5], 4, align=False))
    for query, hits in zip((3, 4), found, strict=True):
        cosine = unit @ unit[query]
        best = np.sort(cosine)[::-1][:4]
        assert hits[0].id == f"p{query}"
        np.testing.assert_allclose([hit.similarity for hit in hits], best, atol=2e-3)
        for hit in hits:
            place = int(hit.id[1:])
            assert (hit.digest, hit.length) == (proteins[place].digest.hex(), 30)
            assert cosine[place] == pytest.approx(hit.similarity, abs=2e-3)
            assert (hit.identity, hit.coverage) == (None, None)
    aligned = next(Lookup(store, means(store)).search(queries[:1], rows[3:4], 1))
    assert (aligned[0].identity, aligned[0].coverage) == (1.0, 1.0)


def test_only_what_is_named_and_has_a_mean_is_searched(
    store: Store, proteins: list[Protein]
) -> None:
    listed = [proteins[8], proteins[40], proteins[8], Protein("new", "MKV")]
    digests = np.frombuffer(b"".join(p.digest for p in listed), np.uint8).reshape(-1, 32)
    lookup = Lookup(store, means(store), digests)
    assert len(lookup) == 2
    (hits,) = lookup.search(proteins[8:9], vectors(store, proteins[8:9]), 5, align=False)
    assert [hit.id for hit in hits] == ["p8", "p40"]
    view = means(store)
    assert all(len(Lookup(store, view, row[None])) == 1 for row in view.digests)


@pytest.mark.parametrize("problem", [Problem.SINGLE_LABEL, Problem.REGRESSION])
def test_as_many_neighbours_count_as_do_best_on_valid(
    problem: Problem, store: Store, proteins: list[Protein]
) -> None:
    labelled = LabelledLookup(means(store), task(proteins, problem))
    outcomes = {}
    chosen = labelled.neighbours
    for count in COUNTS:
        labelled.neighbours = count
        outcomes[count] = labelled.evaluate(labelled.task.split("valid"))[1].mean()
    best = (min if problem.is_regression else max)(outcomes.values())
    assert chosen == next(count for count in COUNTS if outcomes[count] == best)
    assert len(set(outcomes.values())) > 1
    assert labelled.calibration is not None
    assert labelled.calibration.proteins == 18
    assert len(labelled) == 30


def test_labels_come_from_others(store: Store, proteins: list[Protein]) -> None:
    labelled = LabelledLookup(means(store), task(proteins))
    labelled.neighbours = 1
    rows = vectors(store, proteins)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = unit[:30] @ unit[:30].T
    np.fill_diagonal(cosine, -1)
    digests = np.frombuffer(b"".join(p.digest for p in proteins[:30]), np.uint8).reshape(-1, 32)
    transfers = labelled.transfer(digests, rows[:30])
    gaps = np.diff(np.sort(cosine, axis=1)[:, -2:], axis=1)[:, 0]
    for place, (prediction, worth) in enumerate(transfers):
        if gaps[place] > 5e-3:
            assert prediction.label == cosine[place].argmax() % 2
        assert worth == labelled.calibration(prediction.reliability)
    shown = labelled.describe(*transfers[0])
    assert shown["label"] == ("acid", "base")[transfers[0][0].label]
    assert shown["reliability"] == round(transfers[0][0].reliability, 4)
    assert shown["worth"] == round(transfers[0][1], 4)


def with_rows(split: Split, places: list[int], proteins: list[Protein], label: int) -> Split:
    """A split with more rows, put in before some places."""
    ids, labels = list(split.ids), list(split.labels)
    digests = [row.tobytes() for row in split.digests]
    for place, protein in zip(places, proteins, strict=True):
        ids.insert(place, protein.id)
        digests.insert(place, protein.digest)
        labels.insert(place, label)
    return Split(tuple(ids), np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32), labels)


def test_rows_without_a_mean_shift_no_label(store: Store, proteins: list[Protein]) -> None:
    """They are neither transferred from, nor learned on, nor evaluated."""
    whole = task(proteins)
    strangers = [Protein("x", "MKV"), Protein("y", "MKVW")]
    gaps = {n: with_rows(s, [0, 5], strangers, 1) for n, s in whole.splits.items()}
    complete = LabelledLookup(means(store), whole)
    partial = LabelledLookup(means(store), replace(whole, splits=gaps))
    assert len(partial) == len(complete)
    assert partial.neighbours == complete.neighbours
    assert partial.calibration is not None
    assert complete.calibration is not None
    np.testing.assert_array_equal(partial.calibration.index, complete.calibration.index)
    np.testing.assert_array_equal(partial.calibration.worth, complete.calibration.worth)
    expected = complete.evaluate(whole.splits["test"])
    np.testing.assert_array_equal(partial.evaluate(gaps["test"]), expected)
    assert 0 < expected[1].mean() < 1
    only = {"train": whole.splits["train"], "valid": rows_of(strangers)}
    assert LabelledLookup(means(store), replace(whole, splits=only)).calibration is None
    with pytest.raises(InputError, match="no training protein of 'charge' has a mean"):
        LabelledLookup(means(store), replace(whole, splits={"train": rows_of(strangers)}))


def test_of_counts_that_do_as_well_the_smallest_is_taken(
    store: Store, proteins: list[Protein]
) -> None:
    alike = {
        name: Split(split.ids, split.digests, [1] * len(split))
        for name, split in task(proteins).splits.items()
    }
    labelled = LabelledLookup(means(store), replace(task(proteins), splits=alike))
    assert labelled.neighbours == COUNTS[0]


def rows_of(proteins: list[Protein]) -> Split:
    empty = Split((), np.empty((0, 32), np.uint8), [])
    return with_rows(empty, list(range(len(proteins))), proteins, 1)


def test_a_query_is_left_out_however_often_it_is_a_row(
    store: Store, proteins: list[Protein]
) -> None:
    whole = task(proteins)
    often = with_rows(whole.splits["train"], [0, 9, 30], [proteins[3]] * 3, 0)
    digests, rows = whole.splits["train"].digests[3:4], vectors(store, proteins[3:4])
    for count in COUNTS:
        answers = []
        for train in (whole.splits["train"], often):
            labelled = LabelledLookup(means(store), replace(whole, splits={"train": train}))
            labelled.neighbours = count
            answers.append(labelled.transfer(digests, rows))
        assert answers[0] == answers[1]


def test_without_valid_the_nearest_counts_and_nothing_is_promised(
    store: Store, proteins: list[Protein]
) -> None:
    whole = task(proteins)
    bare = replace(whole, splits={"train": whole.splits["train"]})
    labelled = LabelledLookup(means(store), bare)
    assert (labelled.neighbours, labelled.calibration) == (1, None)
    digests = whole.splits["test"].digests[:1]
    ((_, worth),) = labelled.transfer(digests, vectors(store, proteins[48:49]))
    assert worth is None
    per_residue = replace(whole, problem=Problem.RESIDUE_SINGLE_LABEL)
    with pytest.raises(InputError, match="labels residues"):
        LabelledLookup(means(store), per_residue)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_means_are_sliced_as_they_are_stored(
    dtype: str, proteins: list[Protein], tmp_path: Path
) -> None:
    """Of several segments, in pieces with gaps, and with repeats."""
    store = Store.create(tmp_path / "store")
    store.add_proteins(proteins)
    for part in (proteins[25:], proteins[:25]):
        embed(store, MeanEncoder(registry.load("blosum62")), part, dtype=dtype)
    view = stored_means(store, registry.load("blosum62").fingerprint)
    assert view is not None
    for rows in (
        np.arange(60), np.array([5, 7, 6, 40, 2, 59, 41, 7]), np.array([30]), np.arange(20, 50),
        np.array([5, 7, 5, 8]),
    ):  # fmt: skip
        part = MeanRows(view, rows)
        expected = np.stack([view.get(view.digests[row].tobytes())[0] for row in rows])
        expected = expected[part.order].astype(np.float32)
        assert part.shape == (len(rows), view.dim) == expected.shape
        np.testing.assert_array_equal(part.digests, view.digests[rows[part.order]])
        for block in (slice(0, len(rows)), slice(1, 6), slice(3, 4)):
            if len(expected[block]):
                np.testing.assert_allclose(part[block], expected[block], rtol=1e-3)


def test_it_is_searched_by_an_index_only_where_that_is_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the progress it was given; nothing is built for nothing."""
    built: list[tuple[int, object]] = []
    monkeypatch.setattr(
        module, "approximate_index", lambda rows, progress: built.append((len(rows), progress))
    )
    progress: object = object()
    Lookup(store, means(store), progress=progress)
    Lookup(store, means(store), np.zeros((1, 32), np.uint8), approximate=True, progress=progress)
    assert built == []
    Lookup(store, means(store), approximate=True, progress=progress)
    assert built == [(60, progress)]


def test_several_labels_are_transferred_and_described(
    store: Store, proteins: list[Protein]
) -> None:
    whole = task(proteins)
    splits = {
        name: replace(split, labels=[(label, 2) if label else () for label in split.labels])
        for name, split in whole.splits.items()
    }
    several = replace(
        whole, problem=Problem.MULTI_LABEL, classes=("acid", "base", "charged"), splits=splits,
        metrics=("f1_max",), monitor="f1_max",
    )  # fmt: skip
    labelled = LabelledLookup(means(store), several)
    assert labelled.calibration is not None
    assert labelled.transfer(np.empty((0, 32), np.uint8), vectors(store, proteins)[:0]) == []
    labelled.neighbours = 1
    reliability, right = labelled.evaluate(splits["test"])
    assert reliability.shape == right.shape == (12,)
    assert set(right.tolist()) <= {0.0, 0.5, 1.0}
    shown = labelled.describe(Transfer([1, 2], 0.123456), 0.98765)
    assert shown["reliability"] == 0.1235
    assert shown["worth"] == 0.9877
    assert shown["label"] == module.readable_label([1, 2], several)
    train = rows_of([proteins[3]])
    train.labels[0] = (1,)
    alone = LabelledLookup(means(store), replace(several, splits={"train": train}))
    assert alone.transfer(train.digests, vectors(store, proteins[3:4])) == [
        (Transfer([], 0.0), None)
    ]
    ((prediction, _),) = alone.transfer(splits["test"].digests[:1], vectors(store, proteins[48:49]))
    assert prediction.label == [1]
