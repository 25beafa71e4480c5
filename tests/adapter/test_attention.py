"""Cross attention of structure tokens and residues."""

from __future__ import annotations

import torch

from sesstore.adapter import attention
from sesstore.adapter.attention import rotation
from sesstore.adapter.packed_operations import one_hot

from .conftest import CPU


def test_codes_as_ones_ask_the_same() -> None:
    layer = attention.TokenAttention(9, 8, 2).double()
    tokens, lengths = torch.randint(0, 9, (7,)), [3, 4]
    x = torch.randn(7, 8, dtype=torch.float64)
    turn = attention.rotation(lengths, 4, CPU)
    shares = one_hot(tokens, 9, torch.float64)
    torch.testing.assert_close(layer(x, shares, lengths, turn), layer(x, tokens, lengths, turn))


def test_angles_are_exact_thousands_of_residues_out() -> None:
    table = rotation([6000], 16, torch.device("cpu")).table()
    angle = 5999 * 10000.0 ** -(torch.arange(8, dtype=torch.float64) / 8)
    expected = torch.cat([angle.cos(), angle.sin()])
    torch.testing.assert_close(table[5999].double(), expected, atol=1e-7, rtol=0)
