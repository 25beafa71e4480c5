"""Attention of packed sequences, by our kernel and by torch's, against float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.attention import native
from sesstore.attention.bias import OffsetBias
from sesstore.attention.packed import attend, attend_within

from .conftest import built, by_definition, check, inputs, turns

EDGES = [1, 2, 7, 8, 15, 16, 17, 33, 95, 96, 97, 255, 256, 257, 300]


@settings(max_examples=settings.default.max_examples * 3 // 10, deadline=None)
@given(
    lengths=st.lists(st.sampled_from(EDGES), min_size=1, max_size=4),
    heads=st.integers(1, 5),
    half=st.integers(1, 45),
    rotated=st.booleans(),
)
def test_attention_and_its_gradients_are_those_of_the_definition(
    lengths: list[int], heads: int, half: int, rotated: bool
) -> None:
    check(lengths, heads, 2 * half, rotated)


@pytest.mark.parametrize("head_dim", [24, 32, 60, 64, 80, 128, 160, 256])
def test_the_widths_of_models(head_dim: int) -> None:
    check([300, 41], 2, head_dim, rotated=True)


@pytest.mark.parametrize("kernel", ["ours", "torch's"])
@pytest.mark.parametrize("rotated", [False, True])
def test_scale_and_bias_reach_every_kernel(monkeypatch, kernel: str, rotated: bool) -> None:
    if kernel == "torch's":
        monkeypatch.setattr(native, "kernel", lambda: None)
    lengths = [33, 1, 40]
    query, key_value = (x.detach() for x in inputs(lengths, 3, 16))
    rotation, table = turns(lengths, 16) if rotated else None, torch.randn(3, 2 * 45 + 1)
    for scale in (0.7, None):
        for bias in (OffsetBias(table), None):
            mine = attend(query, key_value, lengths, 3, scale, rotation, bias)
            wanted = None if bias is None else table.double()
            expected = by_definition(query, key_value, lengths, 3, rotation, scale, wanted)
            torch.testing.assert_close(mine.double(), expected, atol=2e-5, rtol=2e-5)


@built
def test_batch_mates_change_no_bit() -> None:
    query, key_value = inputs([50, 300, 33], 4, 24)
    together = attend(query, key_value, [50, 300, 33], 4)
    alone = attend(query[50:350], key_value[50:350], [300], 4)
    assert torch.equal(together[50:350], alone)


@built
def test_a_gradient_that_is_one_number_repeated() -> None:
    """As that of a sum: it has no rows of its own in memory."""
    query, key_value = inputs([20, 33], 2, 16)
    mine = torch.autograd.grad(attend(query, key_value, [20, 33], 2).sum(), (query, key_value))
    expected = by_definition(query, key_value, [20, 33], 2, None).sum()
    for one, other in zip(mine, torch.autograd.grad(expected, (query, key_value)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@built
def test_scores_of_any_size() -> None:
    query, key_value = inputs([300], 1, 16)
    for factor in (0.0, 1e-30, 30.0, 1e4):
        mine = attend(query * factor, key_value, [300], 1)
        expected = by_definition(query * factor, key_value, [300], 1, None)
        torch.testing.assert_close(mine.double(), expected, atol=2e-3, rtol=2e-3)


@built
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_not_hidden(bad: float) -> None:
    query, key_value = (x.detach() for x in inputs([20, 300], 2, 16))
    query[100, 3] = bad
    mine = attend(query, key_value, [20, 300], 2)
    assert mine[100, :16].isnan().all()
    rest = torch.ones(320, dtype=torch.bool)
    rest[100] = False
    assert mine[rest].isfinite().all()
    query[100, 3], key_value[200, 0, 3] = 0.5, float("nan")
    assert attend(query, key_value, [20, 300], 2)[20:, :16].isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_side_by_side_is_the_same_attention(dtype) -> None:
    qkv = torch.randn(40, 3, 32, dtype=dtype)
    rotation = turns([33, 7], 16)
    expected = attend(qkv[:, 0], qkv[:, 1:], [33, 7], 2, rotation=rotation)
    found = attend_within(qkv.clone(), [33, 7], 2, rotation=rotation)
    torch.testing.assert_close(found, expected)
