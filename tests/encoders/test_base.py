"""What all packed encoders share: order, batches as full as the budget, and settings."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.encoders import esm
from sesstore.encoders.catalogue import Options
from sesstore.encoders.windows import Piece

from ..conformance.encoder import random_proteins


@pytest.fixture
def encoder(small_esm2):
    return esm.load(small_esm2.spec, Options(small_esm2.path, "cpu"))


def test_batches_are_as_full_as_the_budget_allows(encoder) -> None:
    encoder.budget = 100
    pieces = [Piece("A" * n, 0) for n in (60, 40, 1, 100, 250, 30, 30, 41)]
    sizes = [[len(piece) for piece in batch] for batch in encoder._batches(iter(pieces))]
    assert sizes == [[60, 40], [1], [100], [250], [30, 30], [41]]


def test_the_longest_come_first_and_each_has_its_own_values(encoder, monkeypatch) -> None:
    proteins = random_proteins([5, 30, 12, 7])
    encoder.budget = 20
    monkeypatch.setattr(encoder, "_fitting", lambda: 20)
    found = list(encoder.encode(proteins))
    by_digest = {p.digest: p for p in proteins}
    assert [len(by_digest[one.digest]) for one in found] == [30, 12, 7, 5]
    for one in found:
        (alone,) = encoder.encode([by_digest[one.digest]])
        np.testing.assert_allclose(one.values, alone.values, atol=1e-5)


def test_failures_are_those_of_the_latest_proteins(encoder) -> None:
    encoder.failures = {b"x" * 32: "memory ran out"}
    assert len(list(encoder.encode(random_proteins([4])))) == 1
    assert encoder.failures == {}


def test_memory_of_a_residue_is_that_of_the_arithmetic(small_esm2) -> None:
    full, half = (
        esm.load(small_esm2.spec, Options(small_esm2.path, "cpu", precision=name))
        for name in ("fp32", "bf16")
    )
    assert full.bytes_per_residue() == 16 * 48 * 4 == 2 * half.bytes_per_residue()
    assert full.fingerprint != half.fingerprint
