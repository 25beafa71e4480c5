"""What a store lacks, and what encoding it will cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from sesstore.encoders.base import Encoder
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.means import MeanEncoder, means_of
from sesstore.jobs.embedding.missing_proteins import EmbedPlan, MissingProteins, plan_embedding
from sesstore.proteins import Protein
from sesstore.residues import Embedding
from sesstore.store import Store

from ...noting import Noting


def test_the_plan_knows_what_it_will_cost(store: Store, encoder, proteins) -> None:
    plan = plan_embedding(store, encoder, proteins, dtype="float16")
    residues = sum(map(len, proteins))
    assert (plan.proteins, plan.already_stored, plan.residues) == (40, 0, residues)
    assert plan.bytes == residues * encoder.dim * 2
    assert plan.free_bytes > 0
    for dtype, row in (("float32", 4 * encoder.dim), ("int8", encoder.dim + 2)):
        assert plan_embedding(store, encoder, proteins, dtype=dtype).bytes == residues * row


def test_proteins_of_a_stream_are_read_once_and_encoded_chunk_by_chunk(
    store: Store, encoder, proteins, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    encode = encoder.encode

    def counted(chunk: list[Protein]) -> object:
        sizes.append(sum(map(len, chunk)))
        return encode(chunk)

    monkeypatch.setattr(encoder, "encode", counted)
    plan = plan_embedding(store, encoder, iter([*proteins, *proteins[:5]]))
    assert (plan.proteins, len(plan.todo), store.count_proteins()) == (40, 40, 40)
    assert [p.digest for p in plan.todo] == [p.digest for p in proteins]
    chunks = list(plan.todo.chunks(100))
    assert [p.sequence for chunk in chunks for p in chunk] == [p.sequence for p in proteins]
    assert all(sum(map(len, chunk)) <= 100 for chunk in chunks)
    assert len(list(plan.todo.chunks(1))) == 40
    report = embed(store, encoder, plan=plan)
    assert (report.encoded, sizes) == (40, [plan.residues])


def test_every_figure_of_what_is_to_be_embedded_is_in_its_place(store: Store) -> None:
    todo = MissingProteins(store, np.zeros((2, 32), np.uint8), np.array([1200, 34], np.int32))
    plan = EmbedPlan(3456, 3454, todo, 1_500_000, 2_500_000_000)
    assert plan.sentence("X") == (
        "2 of 3,456 sequences to embed with X: 1,234 residues, 1.5 MB on disk (2.5 GB free)"
    )
    assert plan.sentence("X", "s3://lab").endswith("1.5 MB in s3://lab")
    done = EmbedPlan(3456, 3456, MissingProteins(store, todo.digests[:0], todo.lengths[:0]), 0, 9)
    assert done.sentence("X") == ("all 3,456 sequences are already embedded with X: nothing to do")


class TwoLayers:
    """An encoder that keeps a second layer, of twice the values."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self.names = encoder, list[str]()
        self.fingerprints = (encoder.fingerprint, replace(encoder.fingerprint, layer=7))

    def __getattr__(self, name: str) -> object:
        return getattr(self._encoder, name)

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        self.names += [protein.id for protein in proteins]
        for embedding in self._encoder.encode(proteins):
            yield embedding
            yield replace(embedding, values=2 * embedding.values, output=1)


class Counting(Noting):
    """Progress that counts."""

    total, done = 0, 0

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Noting]:
        self.total = total or 0
        yield self

    def advance(self, amount: int = 1) -> None:
        self.done += amount


def test_what_is_stored_is_so_under_every_layer(
    store: Store, encoder, proteins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sesstore.jobs.embedding.means.READ_PROTEINS", 3)
    both, progress = TwoLayers(encoder), Counting()
    report = embed(store, both, proteins[:10], dtype="float32", progress=progress)
    assert (progress.total, progress.done) == (report.residues, report.residues)
    assert (report.encoded, list(report.layers)) == (10, ["0", "7"])
    embed(store, encoder, proteins[10:15], dtype="float32")
    plan = plan_embedding(store, both, proteins[:20], dtype="float32")
    assert (plan.proteins, plan.already_stored) == (20, 10)
    assert [p.id for p in plan.todo] == [p.id for p in proteins[10:20]]
    lengths = [len(protein) for protein in proteins]
    assert plan.bytes == (sum(lengths[10:20]) + sum(lengths[15:20])) * encoder.dim * 4
    means = means_of(store, "blosum62", lambda: both)
    assert isinstance(means, MeanEncoder)
    both.names.clear()
    outputs = {(e.digest, e.output): e.values for e in means.encode(proteins[:20])}
    assert both.names == [p.id for p in proteins[10:20]]
    assert len(outputs) == 40
    for embedding in encoder.encode(proteins[:20]):
        mean = embedding.values.mean(0, dtype=np.float32, keepdims=True)
        for output in (0, 1):
            found = outputs[embedding.digest, output]
            np.testing.assert_allclose(found, mean * (1 + output), rtol=1e-5)
