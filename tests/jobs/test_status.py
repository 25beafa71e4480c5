"""What is done, over all partitions, and what remains."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from sesstore.encoders import registry
from sesstore.jobs.embed import embed
from sesstore.jobs.engines.partition import Partition, select
from sesstore.jobs.status import status
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
    assert found.to_json()["remaining"] == 20
    assert datetime.now(UTC) - datetime.fromisoformat(found.last_commit) < timedelta(minutes=5)
    assert found.seconds_left > 0


def test_only_what_is_named_counts(store: Store, encoder, proteins) -> None:
    embed(store, encoder, proteins)
    (found,) = status(store, store.encoders(), proteins[:3])
    assert (found.proteins, found.done, found.seconds_left) == (3, 3, 0)
    assert found.partitions == []


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


def test_nothing_yet(store: Store, proteins) -> None:
    store.add_proteins(proteins)
    provenance_of_another = registry.load("onehot").fingerprint
    assert status(store, store.encoders()) == []
    assert not store.has_embeddings(provenance_of_another, [proteins[0].digest]).any()
