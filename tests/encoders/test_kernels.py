"""The residual stream and its norms, on a CPU in each of its ways."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from sesstore.encoders import kernels
from sesstore.encoders.kernels import LayerNorm, Linear, Residual, RmsNorm
from sesstore.products import amx


@pytest.fixture
def parts(monkeypatch):
    """Operands, and torch's products."""
    monkeypatch.setattr(amx, "kernel", lambda: None)
    torch.manual_seed(0)
    rows, weight, bias = torch.randn(30, 16), torch.randn(16, 8), torch.randn(16)
    return rows, weight, bias, torch.randn(30, 8), torch.rand(16), torch.randn(16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_branches_are_summed_in_float32(parts, dtype) -> None:
    rows, weight, bias, x, scale, shift = parts
    linear = Linear(weight.to(dtype), bias.to(dtype))
    residual, norm = Residual(rows.clone(), dtype), LayerNorm(scale, shift)
    x = x.to(dtype)
    residual.add(linear, x)
    total = rows + F.linear(x, weight.to(dtype), bias.to(dtype)).float()
    found = residual.normalised(norm)
    assert found.dtype == dtype
    expected = F.layer_norm(total, (16,), scale, shift)
    torch.testing.assert_close(found, expected.to(dtype))
    torch.testing.assert_close(residual.rows, total)
    residual.add(linear, x)
    total = total + F.linear(x, weight.to(dtype), bias.to(dtype)).float()
    torch.testing.assert_close(
        residual.normalised(RmsNorm(scale, 1e-6), torch.float32),
        F.rms_norm(total, (16,), scale, 1e-6),
    )
    expected = F.layer_norm(total, (16,), scale, shift)
    torch.testing.assert_close(residual.renormalised(norm), expected.to(dtype))
    torch.testing.assert_close(residual.rows, expected)


def test_a_sum_beyond_float16_does_not_overflow(parts) -> None:
    _, weight, _, x, scale, shift = parts
    linear = Linear(weight.half())
    residual = Residual(torch.full((30, 16), 65000.0), torch.float16)
    for _ in range(3):
        residual.add(linear, x.half() * 100)
        assert residual.normalised(LayerNorm(scale, shift)).isfinite().all()
    assert residual.rows.isfinite().all()


def test_products_by_blocks_are_those_of_all_rows(parts, monkeypatch) -> None:
    _, weight, bias, x, *_ = parts
    monkeypatch.setattr(kernels, "BLOCK", 7)
    for shift in (bias, None):
        linear = Linear(weight.double(), shift if shift is None else shift.double())
        expected = F.linear(x.double(), weight.double(), shift if shift is None else shift.double())
        torch.testing.assert_close(linear._by_blocks(x.double()), expected)


@pytest.mark.parametrize("activation", ["none", "gelu", "relu"])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_maps_by_a_matrix_unit(parts, emulated, monkeypatch, activation, dtype, near) -> None:
    """From and into float32, whatever the weight's type."""
    rows, weight, bias, x, *_ = parts
    linear = Linear(weight.to(dtype), bias.to(dtype), activation)
    monkeypatch.setattr(amx, "kernel", lambda: None)
    expected = Linear(weight.double(), bias.double(), activation)(x.double())
    monkeypatch.setattr(amx, "kernel", lambda: emulated)
    found = linear(x)
    assert found.dtype == kernels.result_type(dtype, x.device) == torch.float32
    assert (found - expected).norm() <= near * expected.norm()
    residual = Residual(rows.clone(), dtype)
    residual.add(linear, x.to(dtype))
    assert (residual.settled() - rows - expected).norm() <= near * expected.norm()


def test_without_a_matrix_unit_results_have_the_type_of_the_products(monkeypatch) -> None:
    monkeypatch.setattr(amx, "kernel", lambda: None)
    assert kernels.result_type(torch.bfloat16, torch.device("cpu")) == torch.bfloat16
    monkeypatch.setattr(amx, "kernel", lambda: "a unit")
    assert kernels.result_type(torch.float16, torch.device("cpu")) == torch.float16
    assert kernels.result_type(torch.bfloat16, torch.device("cuda")) == torch.bfloat16


def test_a_norm_in_place_of_a_part_of_wider_rows(parts) -> None:
    *_, scale, shift = parts
    qkv = torch.randn(5, 3, 16).bfloat16()
    before = qkv.clone()
    LayerNorm(scale, shift).apply_(qkv[:, 1])
    expected = F.layer_norm(before[:, 1].float(), (16,), scale, shift).bfloat16()
    torch.testing.assert_close(qkv[:, 1], expected)
    assert torch.equal(qkv[:, ::2], before[:, ::2])
