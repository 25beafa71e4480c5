"""Inputs of a prediction come in chunks."""

from __future__ import annotations

from sesstore.jobs.predicting.prediction_inputs import chunked
from sesstore.proteins import Protein


def test_chunks_hold_as_much_as_they_may() -> None:
    proteins = [Protein(str(n), "A" * n) for n in (40, 60, 1, 250, 30)]
    lengths = [[len(p) for p in chunk] for chunk in chunked(proteins, 100, 9)]
    assert lengths == [[40, 60], [1], [250], [30]]
    assert [len(chunk) for chunk in chunked(proteins, 9999, 2)] == [2, 2, 1]
