"""What is done, over all partitions, and what remains."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.jobs.embedding import status as status_module
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.partition import Partition, select
from sesstore.jobs.embedding.status import status
from sesstore.residues import Embedding
from sesstore.store import Store


def test_what_partitions_have_done_and_what_remains(store: Store, encoder, proteins) -> None:
    store.add_proteins(proteins)
    parts = [select(store, None, Partition(i, 4)) for i in (1, 2, 3, 4)]
    for part in (parts[0], parts[2]):
        embed(store, encoder, part)
    (found,) = status(store, store.encoders(), partitions=4)
    assert (found.encoder, found.proteins, found.done) == ("BLOSUM62", 40, 20)
    assert found.residues == sum(map(len, proteins))
    assert found.residues_done == sum(map(len, parts[0] + parts[2]))
    assert (found.segments, found.duplicates, found.unfinished) == (2, 0, [])
    assert [(p.partition, p.proteins, p.done) for p in found.partitions] == [
        (1, 10, 10),
        (2, 10, 0),
        (3, 10, 10),
        (4, 10, 0),
    ]
    for part, said in zip(parts, found.partitions, strict=True):
        residues = sum(map(len, part))
        assert said.residues == residues
        assert said.residues_done == (residues if said.partition in (1, 3) else 0)
    assert found.to_json()["remaining"] == 20
    assert datetime.now(UTC) - datetime.fromisoformat(found.last_commit) < timedelta(minutes=5)
    assert found.seconds_left > 0


def test_partitions_without_a_protein_are_done(store: Store, encoder, proteins) -> None:
    embed(store, encoder, proteins[:2])
    (found,) = status(store, store.encoders(), partitions=5)
    assert [(p.partition, p.proteins, p.done) for p in found.partitions] == [
        (1, 1, 1), (2, 1, 1), (3, 0, 0), (4, 0, 0), (5, 0, 0),
    ]  # fmt: skip


def test_only_what_is_named_counts(store: Store, encoder, proteins) -> None:
    embed(store, encoder, proteins)
    (found,) = status(store, store.encoders(), proteins[:3])
    assert (found.proteins, found.done, found.seconds_left) == (3, 3, 0)
    assert found.partitions == []
    assert (found.duplicates, found.segments) == (0, 1)


def test_duplicates_and_what_is_being_written(store: Store, encoder, proteins) -> None:
    embed(store, encoder, proteins)
    values = np.zeros((len(proteins[0]), encoder.dim), np.float16)
    provenance = store.encoders()[0]
    with store.writer(provenance, {}) as writer:
        writer.add(Embedding(proteins[0].digest, values))
        writer.commit()
        writer.add(Embedding(proteins[1].digest, values[:1]))
        (found,) = status(store, [provenance])
    assert (found.done, found.duplicates) == (40, 1)
    (unfinished,) = found.unfinished
    assert unfinished.bytes >= 0
    assert unfinished.idle_seconds < 600


def test_the_rate_is_that_of_the_last_half_hour(store: Store, encoder, proteins) -> None:
    """From when its first segment was begun to the last commit; an old segment does not count."""
    store.add_proteins(proteins)
    parts = proteins[:10], proteins[10:20], proteins[20:30]
    for part in parts:
        embed(store, encoder, part)
    segments = sorted(store.embeddings().segments, key=lambda segment: segment.id)
    begun = datetime.strptime(segments[1].id.split("-")[0], "%Y%m%dT%H%M%S%f")
    start = begun.replace(tzinfo=UTC).timestamp()
    for segment, after in zip(segments, (-7200, 50, 100), strict=True):
        os.utime(segment.path / "zarr.json", (start + after, start + after))
    (found,) = status(store, store.encoders())
    recent = sum(len(p) for part in parts[1:] for p in part)
    assert found.residues_per_s == pytest.approx(recent / 100)
    left = sum(map(len, proteins[30:]))
    assert found.seconds_left == pytest.approx(left / found.residues_per_s)
    said = found.to_json()
    assert (said["remaining"], said["residues_remaining"]) == (10, left)
    assert datetime.fromisoformat(found.last_commit).timestamp() == int(start + 100)


def test_nothing_yet(store: Store, proteins) -> None:
    store.add_proteins(proteins)
    provenance_of_another = registry.load("onehot").fingerprint
    assert status(store, store.encoders()) == []
    assert not store.has_embeddings(provenance_of_another, [proteins[0].digest]).any()


def test_what_is_unfinished_says_its_size_and_since_when_it_rests(tmp_path, monkeypatch) -> None:
    folder = tmp_path / ".20261127T000000000000-0000000000000000"
    (folder / "values").mkdir(parents=True)
    for name, size, moment in (("a", 5, 1000.0), ("values/b", 7, 1200.0), ("values/c", 9, 900.0)):
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, (moment, moment))
    os.utime(folder, (500.0, 500.0))
    monkeypatch.setattr(status_module.time, "time", lambda: 1260.0)
    (segment,) = status_module._partial_segments(tmp_path)
    assert (segment.path, segment.bytes, segment.idle_seconds) == (str(folder), 21, 60.0)
    monkeypatch.setattr(status_module.time, "time", lambda: 1100.0)  # another machine's clock
    assert status_module._partial_segments(tmp_path)[0].idle_seconds == 0.0


@pytest.mark.parametrize(("seconds", "counts"), [(1800, 2), (1801, 1)])
def test_the_half_hour_begins_with_what_is_just_as_old(store, encoder, proteins, seconds, counts):
    store.add_proteins(proteins)
    for part in (proteins[:10], proteins[10:20]):
        embed(store, encoder, part)
    first, last = sorted(store.embeddings().segments, key=lambda segment: segment.id)
    start = datetime.strptime(last.id.split("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
    end = int(start.timestamp()) + 3600
    for segment, moment in ((first, end - seconds), (last, end)):
        os.utime(segment.path / "zarr.json", (moment, moment))
    begun = [status_module._start_time(segment.id) for segment in (first, last)][2 - counts]
    residues = sum(map(len, proteins[:20] if counts == 2 else proteins[10:20]))
    (found,) = status(store, store.encoders())
    assert found.residues_per_s == pytest.approx(residues / (end - begun))
