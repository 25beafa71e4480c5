"""What a prediction computes is what the store would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.predicting.embedding_source import EmbeddingSource
from sesstore.proteins import Protein
from sesstore.store import Store

from ...noting import Noting


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_what_is_computed_is_what_the_store_would_give_back(tmp_path: Path, dtype: str) -> None:
    encoder = registry.load("blosum62")
    encoder._table = encoder._table + 0.123456  # nothing that float16 holds as it is
    old, new = Protein("old", "MKVLA"), Protein("new", "MKWWLE")
    store = Store.create(tmp_path / "store")
    embed(store, encoder, [old], dtype=dtype)
    for keep in (False, True):
        source = EmbeddingSource(store, encoder.fingerprint, encoder.dim, lambda: encoder, keep)
        with source as vectors:
            rows, failed = vectors.chunk([new, old, new])
            assert (len(rows), failed, vectors.computed) == (2, {}, 1)
            index = rows.find(np.frombuffer(new.digest + old.digest, np.uint8).reshape(2, 32))
            out = np.empty((11, encoder.dim), rows.dtype)
            rows.gather(index, out)
        assert len(Store.open(store.path).embeddings()) == 1 + keep
    view = Store.open(store.path).embeddings()
    expected = np.concatenate([view.get(new.digest), view.get(old.digest)])
    np.testing.assert_array_equal(out, expected.astype(out.dtype))


def test_an_encoder_is_loaded_once_and_only_if_something_is_missing(tmp_path: Path) -> None:
    encoder, loads = registry.load("blosum62"), list[int]()
    proteins = [Protein(f"p{n}", "MKVLA" + "ACDEF"[n]) for n in range(5)]
    store = Store.create(tmp_path / "store")
    embed(store, encoder, proteins[:2])

    def load() -> Encoder:
        loads.append(1)
        return encoder

    progress = Noting()
    with EmbeddingSource(
        store, encoder.fingerprint, encoder.dim, load, keep=True, progress=progress
    ) as source:
        source.chunk(proteins[:2])
        assert (loads, source.computed, progress.notes) == ([], 0, [])
        for part in (proteins[:3], proteins[3:4], proteins[4:]):
            source.chunk(part)
        assert (loads, source.computed) == ([1], 3)
    assert progress.notes == ["embedding with blosum62 what is not stored"]
    assert len(Store.open(store.path).embeddings()) == 5
