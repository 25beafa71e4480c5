"""What a GPU computes at once against what a CPU computes protein by protein, both here."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.adapter import attention
from sesstore.adapter.packed_operations import gapped, membership, membership_padded, one_hot
from sesstore.adapter.pooling import POOLINGS
from sesstore.streaming.batch_lengths import lengths_on

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=7)


@pytest.mark.parametrize("name", POOLINGS)
@settings(max_examples=30, deadline=None)
@given(lengths=LENGTHS, along=st.booleans())
def test_pooling_at_once_is_pooling_protein_by_protein(name, lengths, along) -> None:
    torch.manual_seed(len(lengths))
    pool = POOLINGS[name](6).double()
    x = torch.randn(sum(lengths), 6, dtype=torch.float64, requires_grad=True)
    inputs = [x, *pool.parameters()]
    pooled = pool(x, lengths)
    toward = torch.randn_like(pooled)
    at_once = pool.pool_at_once(x, lengths_on(lengths, CPU) if along else lengths)
    torch.testing.assert_close(at_once, pooled, rtol=1e-10, atol=1e-10)
    expected = torch.autograd.grad(pooled, inputs, toward)
    found = torch.autograd.grad(at_once, inputs, toward)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_pooling_at_once_is_in_the_type_of_the_residues() -> None:
    """Autocast would round each residue's share of the mean, all of them alike."""
    x, lengths = torch.randn(3000, 4), [1000, 2000]
    for name in ("mean", "attention1d"):
        pool = POOLINGS[name](4)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = pool.pool_at_once(x, lengths)
        assert rounded.dtype == torch.float32
        torch.testing.assert_close(rounded, pool(x, lengths), rtol=1e-4, atol=1e-5)


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


@given(LENGTHS)
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


def test_codes_as_ones_ask_the_same() -> None:
    layer = attention.TokenAttention(9, 8, 2).double()
    tokens, lengths = torch.randint(0, 9, (7,)), [3, 4]
    x = torch.randn(7, 8, dtype=torch.float64)
    turn = attention.rotation(lengths, 4, CPU)
    shares = one_hot(tokens, 9, torch.float64)
    torch.testing.assert_close(layer(x, shares, lengths, turn), layer(x, tokens, lengths, turn))
