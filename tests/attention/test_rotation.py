"""Rotary embedding of a batch against its definition, and its gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sesstore.attention.rotation import Rotation

HEADS, HEAD_DIM, LENGTHS = 3, 8, [3, 1, 2000]
FREQUENCIES = 10000.0 ** -(torch.arange(0, HEAD_DIM, 2).double() / HEAD_DIM)


def by_definition(x: Tensor) -> Tensor:
    """Half-rotation of [T, H, head_dim], written down plainly."""
    places = torch.cat([torch.arange(length) for length in LENGTHS])
    angles = (places[:, None] * FREQUENCIES)[:, None]
    one, two = x.double().chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([one * cos - two * sin, two * cos + one * sin], -1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_rotation_is_the_half_rotation(dtype: torch.dtype) -> None:
    x = torch.randn(sum(LENGTHS), HEADS, HEAD_DIM).to(dtype).requires_grad_()
    turned = Rotation(FREQUENCIES, LENGTHS)(x)
    assert turned.dtype == dtype
    wide = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 2e-2}[dtype]
    near = {"atol": wide, "rtol": wide}
    torch.testing.assert_close(turned.double(), by_definition(x), **near)
    toward = torch.randn(turned.shape).to(dtype)
    (gradient,) = torch.autograd.grad(turned, x, toward)
    plain = x.detach().double().requires_grad_()
    (expected,) = torch.autograd.grad(by_definition(plain), plain, toward.double())
    torch.testing.assert_close(gradient.double(), expected, **near)


def test_a_table_first_made_in_inference_can_be_trained_with() -> None:
    with torch.inference_mode():
        table = Rotation(FREQUENCIES * 1.5, [5]).table()
    x = torch.randn(5, 1, HEAD_DIM, requires_grad=True)
    Rotation(FREQUENCIES * 1.5, [5])(x).sum().backward()
    assert not table.is_inference()
