"""Attention by torch's memory-efficient kernel, which runs on GPUs alone.

On a CPU a write-up of its contract stands in for it, and checks what the kernel would refuse; that
torch has the kernel with these arguments, and a gradient, is seen on tensors without data.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from sesstore.attention import varlen
from sesstore.attention.varlen import attend_efficient, efficient_takes


def by_contract(
    query, key, value, bias, ends_q, ends_k, longest_q, longest_k, dropout, mask, learns, *, scale
):
    """What the kernel computes, and what it asks for."""
    assert (bias, dropout, mask) == (None, 0.0, 0)
    assert ends_q.dtype == ends_k.dtype == torch.int32
    lengths = ends_q.diff().tolist()
    assert longest_q == longest_k == max(lengths)
    assert learns == query.requires_grad
    for x in (query, key, value):
        assert x.shape[0] == 1
        assert x.stride(-1) == 1
        assert x.shape[-1] * x.element_size() % 16 == 0
    parts = []
    for q, k, v in zip(*(x[0].split(lengths) for x in (query, key, value)), strict=True):
        q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
        parts.append(F.scaled_dot_product_attention(q, k, v, scale=scale)[0].transpose(0, 1))
    return torch.cat(parts)[None], "logarithms", "seed", "offset", longest_q, longest_k


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("width", [320, 4, 30])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_equals_attention_within_each_sequence(monkeypatch, dtype, width, scale) -> None:
    monkeypatch.setattr(varlen, "_efficient_kernel", by_contract)
    torch.manual_seed(0)
    lengths = [5, 1, 17]
    leaves = [torch.randn(23, 2, width, dtype=dtype, requires_grad=True) for _ in range(3)]
    out = attend_efficient(*leaves, lengths, scale)
    parts = []
    for q, k, v in zip(*(x.double().split(lengths) for x in leaves), strict=True):
        scores = torch.einsum("ihd,jhd->hij", q, k) * (scale or width**-0.5)
        parts.append(torch.einsum("hij,jhd->ihd", scores.softmax(-1), v))
    expected = torch.cat(parts).flatten(1)
    close = 1e-5 if dtype == torch.float32 else 5e-3
    torch.testing.assert_close(out.double(), expected, rtol=close, atol=close)
    toward = torch.randn_like(expected)
    mine = torch.autograd.grad(out, leaves, toward.to(dtype))
    theirs = torch.autograd.grad(expected, leaves, toward)
    for found, wanted in zip(mine, theirs, strict=True):
        torch.testing.assert_close(found, wanted, rtol=2 * close, atol=2 * close)


@pytest.mark.parametrize("learns", [False, True])
def test_this_torch_has_the_kernel_and_its_gradient(learns) -> None:
    with torch.device("meta"):
        leaves = [torch.empty(23, 2, 320, requires_grad=learns) for _ in range(3)]
        ends = torch.empty(4, dtype=torch.int32)
    out, logs, *_ = varlen._efficient_kernel(
        *(x[None] for x in leaves), None, ends, ends, 17, 17, 0.0, 0, learns, scale=0.5
    )
    assert out.shape == (1, 23, 2, 320)
    assert logs.shape == (3, 2, 32 if learns else 0)
    assert learns == (type(out.grad_fn).__name__ == "EfficientAttentionBackward0")


def queries(dtype: torch.dtype, width: int = 320) -> SimpleNamespace:
    device = torch.device("cuda", 0)
    return SimpleNamespace(is_cuda=True, dtype=dtype, device=device, shape=(9, 2, width))


@pytest.mark.parametrize("ampere", [False, True])
def test_what_it_is_taken_for(monkeypatch, ampere) -> None:
    monkeypatch.setattr(varlen, "at_least_ampere", lambda _: ampere)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert efficient_takes(queries(torch.float32))
    assert efficient_takes(queries(torch.float16, 64))
    assert efficient_takes(queries(torch.bfloat16)) == ampere
    assert not efficient_takes(queries(torch.float64))
    assert not efficient_takes(torch.zeros(9, 2, 64))
    monkeypatch.setattr(torch.version, "cuda", None)
    assert not efficient_takes(queries(torch.float32))


def test_a_torch_without_the_kernel_is_not_asked_for_it(monkeypatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert efficient_takes(queries(torch.float32))
    monkeypatch.setattr(varlen, "_efficient_kernel", None)
    assert not efficient_takes(queries(torch.float32))
