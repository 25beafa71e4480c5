"""What a GPU computes at once against what a CPU computes protein by protein, both here."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given

from sesstore.adapter.packed_operations import gapped, membership, membership_padded, one_hot
from sesstore.streaming.batch_lengths import lengths_on

from .conftest import CPU, PACKED_LENGTHS


@pytest.mark.parametrize("codes", [9, 256, 257])
def test_looking_up_by_a_product_is_exact(codes) -> None:
    tokens = torch.randint(0, codes, (50,), generator=torch.Generator().manual_seed(0))
    table = torch.randn(codes, 3, dtype=torch.bfloat16, requires_grad=True)
    product = one_hot(tokens, codes, table.dtype) @ table
    assert torch.equal(product, table[tokens])
    toward = torch.randn(50, 3, dtype=torch.float64)
    exact = table.detach().double().requires_grad_()
    found, expected = (
        torch.autograd.grad(rows, exact, toward)[0]
        for rows in (one_hot(tokens, codes, exact.dtype) @ exact, exact[tokens])
    )
    torch.testing.assert_close(found, expected)


@given(PACKED_LENGTHS)
def test_layouts(lengths) -> None:
    along = lengths_on(lengths, CPU)
    assert along == tuple(lengths)
    assert along.ends.tolist() == [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    assert along.positions.tolist() == [i for n in lengths for i in range(n)]
    assert along.owners.tolist() == [i for i, n in enumerate(lengths) for _ in range(n)]
    assert membership(along, CPU).sum(1).tolist() == lengths
    assert membership_padded(lengths, CPU).sum(1).tolist() == lengths
    rows, places = gapped(tuple(lengths), 4, CPU)
    assert len(places) == sum(lengths) + 4 * (len(lengths) - 1)
    assert rows.tolist() == [t + 4 * int(owner) for t, owner in enumerate(along.owners)]
    padded = [i * max(lengths) + p for i, n in enumerate(lengths) for p in range(n)]
    assert places[rows].tolist() == padded
    assert len(set(places.tolist())) == len(places)
