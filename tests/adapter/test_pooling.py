"""Pooling of a packed batch is pooling protein by protein."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.adapter.pooling import POOLINGS, LightAttention
from sesstore.streaming.batch_lengths import lengths_on

from .conftest import CPU, PACKED_LENGTHS


@pytest.mark.parametrize("name", POOLINGS)
@settings(max_examples=30, deadline=None)
@given(lengths=PACKED_LENGTHS, along=st.booleans())
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


@pytest.mark.parametrize("part", ["feature", "attention"])
def test_convolutions_of_light_attention_reach_four_residues_each_way(part) -> None:
    torch.manual_seed(0)
    pool = LightAttention(6)
    x = torch.randn(1, 6, 21)
    moved = x.clone()
    moved[0, :, 10] += 1
    change = (getattr(pool, part)(moved) - getattr(pool, part)(x))[0].abs().amax(0)
    assert torch.nonzero(change > 1e-6)[:, 0].tolist() == list(range(6, 15))
