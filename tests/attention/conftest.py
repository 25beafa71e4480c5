"""Shared by the tests of attention."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sesstore.attention import native
from sesstore.attention.packed import attend
from sesstore.attention.rotation import Rotation

built = pytest.mark.skipif(native.kernel() is None, reason="installed without the kernel")


def inputs(lengths: list[int], heads: int, head_dim: int) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(sum(lengths))
    rows, d = sum(lengths), heads * head_dim
    return (
        torch.randn(rows, d, generator=chance).requires_grad_(),
        torch.randn(rows, 2, d, generator=chance).requires_grad_(),
    )


def turns(lengths: list[int], head_dim: int) -> Rotation:
    return Rotation(100.0 ** -(torch.arange(0, head_dim, 2).double() / head_dim), lengths)


def by_definition(
    query: Tensor,
    key_value: Tensor,
    lengths: list[int],
    heads: int,
    rotation: Rotation | None,
    scale: float | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    query, key, value = (
        x.double().unflatten(-1, (heads, -1)) for x in (query, *key_value.unbind(1))
    )
    if rotation is not None:
        query, key = rotation(query), rotation(key)
    parts = []
    for q, k, v in zip(*(torch.split(x, lengths) for x in (query, key, value)), strict=True):
        scores = torch.einsum("ihd,jhd->hij", q, k) * (scale or q.shape[-1] ** -0.5)
        if bias is not None:  # of the key's place less the query's
            place = torch.arange(len(q))
            scores = scores + bias[:, place - place[:, None] + bias.shape[1] // 2]
        parts.append(torch.einsum("hij,jhd->ihd", scores.softmax(-1), v))
    return torch.cat(parts).flatten(1)


def check(lengths: list[int], heads: int, head_dim: int, rotated: bool) -> None:
    query, key_value = inputs(lengths, heads, head_dim)
    rotation = turns(lengths, head_dim) if rotated else None
    mine = attend(query, key_value, lengths, heads, rotation=rotation)
    expected = by_definition(query, key_value, lengths, heads, rotation)
    torch.testing.assert_close(mine.double(), expected, atol=2e-5, rtol=2e-5)
    toward = torch.randn(mine.shape)
    found = torch.autograd.grad(mine, (query, key_value), toward)
    wanted = torch.autograd.grad(expected, (query, key_value), toward.double())
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        again = attend(query, key_value, lengths, heads, rotation=rotation)
    torch.testing.assert_close(again, mine)


DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
