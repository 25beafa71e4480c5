"""Our CUDA kernels against torch: on a GPU, or by Triton's interpreter where there is none."""

from __future__ import annotations

import importlib
import os

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from .conftest import DEVICE

if DEVICE.type == "cpu":  # read when triton is imported
    os.environ.setdefault("TRITON_INTERPRET", "1")


pytest.importorskip("triton")


NEAR = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}


@pytest.fixture(scope="module")
def kernels():
    return importlib.import_module("sesstore.attention.triton_kernels")


def turned(x: Tensor, table: Tensor, sign: int = 1) -> Tensor:
    cos, sin = table[:, None].chunk(2, -1)
    first, second = x.float().chunk(2, -1)
    turn = [first * cos - sign * second * sin, second * cos + sign * first * sin]
    return torch.cat(turn, -1).to(x.dtype)


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("width", [64, 24, 2])
def test_queries_and_keys_are_turned_in_place_in_one_go(kernels, dtype, width) -> None:
    rows, heads = 37, 3
    qkv = torch.randn(rows, 3 * heads, width, device=DEVICE).to(dtype)
    angles = torch.randn(rows, width // 2, device=DEVICE)
    table = torch.cat([angles.cos(), angles.sin()], 1)
    before = qkv.clone()
    both = qkv[:, : 2 * heads]
    kernels.rotate(both, table, both)
    near = {"atol": NEAR[dtype], "rtol": NEAR[dtype]}
    torch.testing.assert_close(both, turned(before[:, : 2 * heads], table), **near)
    assert torch.equal(qkv[:, 2 * heads :], before[:, 2 * heads :])


def test_elsewhere_and_back(kernels) -> None:
    x = torch.randn(20, 2, 2, 16, device=DEVICE)[:, 1]  # heads apart by no multiple of a row
    table = torch.randn(20, 16, device=DEVICE)
    before, out = x.clone(), torch.empty(20, 2, 16, device=DEVICE)
    kernels.rotate(x, table, out)
    torch.testing.assert_close(out, turned(before, table))
    assert torch.equal(x, before)
    kernels.rotate(x, table, out, back=True)
    torch.testing.assert_close(out, turned(before, table, -1))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("columns", [320, 48])
@pytest.mark.parametrize("centres", [True, False])
def test_a_branch_is_added_and_the_sum_normalised(kernels, half, columns, centres) -> None:
    x = torch.randn(9, columns, device=DEVICE) * 3
    branch = torch.randn(9, columns, device=DEVICE).to(half)
    weight, shift = torch.randn(2, columns, device=DEVICE)
    total = x + branch.float()
    for part, keeps in ((branch, "sum"), (None, "sum"), (branch, "result")):
        base = total if part is not None else x
        norm = F.layer_norm if centres else F.rms_norm
        expected = norm(base, (columns,), weight, **({"bias": shift} if centres else {}), eps=1e-5)
        rows, out = x.clone(), torch.empty(9, columns, device=DEVICE, dtype=half)
        kernels.normalise(
            rows, part, weight, shift if centres else None, 1e-5, out, keeps=keeps, centres=centres
        )
        torch.testing.assert_close(out, expected.to(half), atol=NEAR[half] * 4, rtol=NEAR[half])
        held = expected if keeps == "result" else base
        torch.testing.assert_close(rows, held, atol=4e-6, rtol=1e-6)


def test_a_part_of_wider_rows_is_normalised_where_it_is(kernels) -> None:
    qkv = torch.randn(7, 3, 48, device=DEVICE).half()
    weight, before = torch.randn(48, device=DEVICE), qkv.clone()
    kernels.normalise(qkv[:, 1], None, weight, None, 1e-5, qkv[:, 1])
    expected = F.layer_norm(before[:, 1].float(), (48,), weight).half()
    torch.testing.assert_close(qkv[:, 1], expected, atol=2e-3, rtol=2e-3)
    assert torch.equal(qkv[:, 0], before[:, 0])
    assert torch.equal(qkv[:, 2], before[:, 2])


def test_neighbours_change_no_bit(kernels) -> None:
    x, weight = torch.randn(40, 160, device=DEVICE), torch.randn(160, device=DEVICE)
    together, alone = torch.empty_like(x), torch.empty(1, 160, device=DEVICE)
    kernels.normalise(x, None, weight, None, 1e-5, together)
    kernels.normalise(x[23:24], None, weight, None, 1e-5, alone)
    assert torch.equal(together[23:24], alone)


def test_the_check_finds_nothing_wrong(kernels) -> None:
    kernels.check(DEVICE)
