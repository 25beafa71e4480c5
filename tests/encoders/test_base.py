"""What all packed encoders share: order, batches as full as the budget, and settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sesstore.encoders import base, esm
from sesstore.encoders.catalogue import Options
from sesstore.encoders.windows import Piece
from sesstore.errors import InputError
from sesstore.products import amx

from ..conformance.encoder import encoded, random_proteins


@pytest.fixture
def encoder(small_esm2):
    return esm.load(small_esm2.spec, Options(small_esm2.path, "cpu"))


def test_batches_are_as_full_as_the_budget_allows(encoder) -> None:
    encoder.budget = 104  # each has a BOS and an EOS
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


def test_memory_of_a_residue_is_that_of_the_arithmetic(small_esm2, monkeypatch) -> None:
    monkeypatch.setattr(amx, "kernel", lambda: None)
    full, half = (
        esm.load(small_esm2.spec, Options(small_esm2.path, "cpu", precision=name))
        for name in ("fp32", "bf16")
    )
    assert full.bytes_per_residue() == 16 * 48 * 4 == 2 * half.bytes_per_residue()
    assert full.fingerprint != half.fingerprint
    monkeypatch.setattr(amx, "kernel", lambda: "a unit, whose results are float32")
    assert half.bytes_per_residue() == full.bytes_per_residue()


@pytest.mark.parametrize(("precision", "near"), [("fp32", 1e-5), ("bf16", 2e-2)])
def test_a_matrix_unit_gives_the_same_embeddings(
    small_esm2, emulated, monkeypatch, precision, near
) -> None:
    """And each protein the same bits alone and among others."""
    encoder = esm.load(small_esm2.spec, Options(small_esm2.path, "cpu", precision=precision))
    proteins = random_proteins([1, 50, 20])
    found = encoded(encoder, proteins)
    for protein in proteins:
        (alone,) = encoder.encode([protein])
        assert np.array_equal(alone.values, found[protein.digest])
    monkeypatch.setattr(amx, "kernel", lambda: None)
    reference = esm.load(small_esm2.spec, Options(small_esm2.path, "cpu"))
    for digest, expected in encoded(reference, proteins).items():
        values = found[digest].astype(np.float32)
        assert np.linalg.norm(values - expected) <= near * np.linalg.norm(expected)


@pytest.mark.parametrize(("precision", "near"), [("fp16", 2e-3), ("bf16", 2e-2)])
def test_half_precision_gives_float16_near_float32(small_esm2, encoder, precision, near) -> None:
    half = esm.load(small_esm2.spec, Options(small_esm2.path, "cpu", precision=precision))
    half.window = encoder.window = 60  # one is crossfaded
    proteins = random_proteins([1, 50, 100])
    expected = encoded(encoder, proteins)
    for digest, values in encoded(half, proteins).items():
        assert values.dtype == np.float16
        error = np.linalg.norm(values - expected[digest]) / np.linalg.norm(expected[digest])
        assert error <= near


def test_what_fills_a_block_up_changes_nothing(encoder, monkeypatch) -> None:
    proteins = random_proteins([40, 7, 1])
    expected = encoded(encoder, proteins)
    monkeypatch.setattr(type(encoder), "_block", 512)
    for digest, values in encoded(encoder, proteins).items():
        np.testing.assert_allclose(values, expected[digest], atol=1e-5)


@pytest.mark.parametrize(("precision", "wider"), [("fp16", "bf16"), ("bf16", "fp32")])
def test_values_that_are_not_finite_name_a_wider_precision(small_esm2, precision, wider) -> None:
    half = esm.load(small_esm2.spec, Options(small_esm2.path, "cpu", precision=precision))
    half.model._norm.weight = torch.full((48,), 1e6)
    with pytest.raises(InputError, match=f"not finite.* in {precision}.*--precision {wider}"):
        list(half.encode(random_proteins([20, 10])))


def test_budgets_are_whole_blocks() -> None:
    sizes = [65536, 65535, 16384, 16383, 1000, 1]
    assert [base._whole_blocks(rows) for rows in sizes] == [65536, 49152, 16384, 8192, 512, 1]


def test_a_full_device_shrinks_batches_and_what_fills_them_up(encoder, monkeypatch) -> None:
    """As on a GPU, whose batches are filled up to a block."""
    pieces = [Piece("A" * 60, 0) for _ in range(4)]
    monkeypatch.setattr(type(encoder), "_block", property(lambda self: min(4096, self.budget)))
    encoder.budget = 4096
    rows = []

    def forward(sequences):
        batch = encoder._tokeniser.pack(sequences, encoder.device, encoder._block)
        rows.append(len(batch.ids))
        if len(batch.ids) > 64:
            raise torch.OutOfMemoryError("too much")
        return torch.zeros(len(batch.residues), 48)

    monkeypatch.setattr(encoder, "forward", forward)
    found = list(encoder._encode_pieces(pieces, 1))
    assert [values.shape for _, values in found] == [(60, 48)] * 4
    assert rows[0] == 4096
    assert rows[-1] == 62
