"""A bias of attention scores by distance."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from sesstore.attention import native
from sesstore.errors import InputError

from .conftest import built, inputs


@built
def test_a_bias_has_no_gradient() -> None:
    query, key_value = inputs([20], 2, 16)
    with pytest.raises(InputError, match="gradient"):
        native.attend(query, key_value, [20], 2, 1.0, None, torch.randn(2, 39))


@built
@pytest.mark.parametrize("length", [40, 300, 700])
def test_bias_of_every_offset(length: int) -> None:
    qkv, bias = torch.randn(length, 3, 48), torch.randn(3, 2 * length + 5)
    mine = native.attend(qkv[:, 0], qkv[:, 1:], [length], 3, 1.0, None, bias)
    offset = torch.arange(length) - torch.arange(length)[:, None] + length + 2
    query, key, value = qkv.double().unflatten(-1, (3, 16)).permute(1, 2, 0, 3)[:, None]
    mask = bias.double()[:, offset][None]
    expected = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)
    expected = expected[0].transpose(0, 1).flatten(1)
    torch.testing.assert_close(mine.double(), expected, atol=2e-5, rtol=2e-5)
