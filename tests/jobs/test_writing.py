"""Errors of the writing thread reach whoever hands embeddings over, those of the last one too."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.jobs.writing import BackgroundWriter
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store
from sesstore.store.segments import SegmentWriter

DIM = 3


def embeddings(count: int, dim: int = DIM) -> list[Embedding]:
    rng = np.random.default_rng(0)
    proteins = [Protein("", "ACDEF"[: 1 + i % 5] + "G" * i) for i in range(count)]
    return [
        Embedding(p.digest, rng.standard_normal((len(p), dim)).astype(np.float32)) for p in proteins
    ]


@pytest.fixture
def writer(store: Store):
    fingerprint = Fingerprint("enc", "ab" * 32, 6, "esm1b", "whole", "fp32")
    return store.writer(Provenance(fingerprint, DIM, "float16"), {})


WIDE = embeddings(1, DIM + 1)[0]


def write(writer: SegmentWriter, items: list[Embedding], then: type[Exception] | None = None):
    with writer as segment, BackgroundWriter(segment, "float16") as background:
        for one in items:
            background.put(one)
        if then is not None:
            raise then


def test_all_that_is_handed_over_is_cast_and_written(store: Store, writer) -> None:
    items = embeddings(100)
    write(writer, items)
    view = store.embeddings()
    assert len(view) == 100
    for one in items:
        np.testing.assert_array_equal(view.get(one.digest), one.values.astype(np.float16))


def test_an_error_of_the_last_write_surfaces_at_the_end(store: Store, writer) -> None:
    with pytest.raises(InputError):
        write(writer, [*embeddings(3), WIDE])


def test_what_the_caller_raises_is_what_is_said(writer) -> None:
    with pytest.raises(ZeroDivisionError):
        write(writer, [WIDE], ZeroDivisionError)


def test_an_error_surfaces_when_flushed_and_in_the_next_call(writer) -> None:
    with writer as segment:
        background = BackgroundWriter(segment, "float16").__enter__()
        background.put(WIDE)
        for call in (background.flush, lambda: background.put(WIDE)):
            with pytest.raises(InputError):
                call()
        with pytest.raises(InputError):
            background.__exit__(None)


def test_after_an_error_nobody_is_left_waiting(writer) -> None:
    """More embeddings than the queue holds."""
    with pytest.raises(InputError):
        write(writer, [WIDE, *embeddings(300)])


def test_flushing_waits_until_all_is_written(store: Store, writer) -> None:
    with writer as segment, BackgroundWriter(segment, "float16") as background:
        for one in embeddings(50):
            background.put(one)
        background.flush()
        segment.commit()
        assert len(store.embeddings()) == 50
