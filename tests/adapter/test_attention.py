"""Rotary embedding of a batch: by pairs, as on a CPU, and by halves, as elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sesstore.adapter.attention import ROPE_BASE, Rotation

HEADS, HEAD_DIM = 3, 8


def by_definition(x: Tensor, positions: Tensor) -> Tensor:
    """Half-rotation of [T, d], written down plainly in float64."""
    heads = x.double().unflatten(-1, (HEADS, HEAD_DIM))
    angles = positions[:, None] * ROPE_BASE ** (-torch.arange(0, HEAD_DIM, 2).double() / HEAD_DIM)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    one, two = heads.chunk(2, -1)
    return torch.cat([one * cos - two * sin, two * cos + one * sin], -1).flatten(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rotation_is_the_half_rotation_whatever_the_layout(dtype: torch.dtype) -> None:
    positions = torch.tensor([0, 1, 2, 0, 1, 5000])
    x = torch.randn(6, HEADS * HEAD_DIM, dtype=dtype, requires_grad=True)
    rotate = Rotation(positions, HEADS, HEAD_DIM, dtype)
    assert rotate.side_by_side == (dtype == torch.float32)
    turned = rotate(rotate.arranged(x.T).T.contiguous())
    expected = rotate.arranged(by_definition(x, positions).T).T
    torch.testing.assert_close(turned.double(), expected, atol=1e-6, rtol=1e-6)
    toward = torch.randn_like(turned)
    (gradient,) = torch.autograd.grad((turned * toward).sum(), x)
    plain = x.detach().double().requires_grad_()
    wanted = rotate.arranged(by_definition(plain, positions).T).T
    (expected,) = torch.autograd.grad((wanted * toward.double()).sum(), plain)
    torch.testing.assert_close(gradient.double(), expected, atol=1e-6, rtol=1e-6)
