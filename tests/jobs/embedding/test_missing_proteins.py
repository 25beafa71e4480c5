"""What a store lacks, and what encoding it will cost."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.missing_proteins import EmbedPlan, MissingProteins, plan_embedding
from sesstore.proteins import Protein
from sesstore.store import Store


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
