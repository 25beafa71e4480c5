"""Affine maps that are trained: torch's to the bit without the unit; split with it, emulated."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from sesstore.products import affine as products
from sesstore.products import amx
from sesstore.products.affine import AffineMap, affine


@pytest.fixture
def operands() -> tuple[Tensor, Tensor, Tensor]:
    chance = torch.Generator().manual_seed(1)
    return (
        torch.randn(60, 40, generator=chance).requires_grad_(),
        torch.randn(35, 40, generator=chance).requires_grad_(),
        torch.randn(35, generator=chance).requires_grad_(),
    )


def close(result: Tensor, expected: Tensor) -> bool:
    return bool((result - expected).norm() <= 1e-5 * expected.norm())


def test_without_the_unit_it_is_torch_s_linear(
    operands: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amx, "kernel", lambda: None)
    y = affine(*operands)
    assert type(y.grad_fn).__name__ == "AddmmBackward0"
    assert torch.equal(y, F.linear(*operands))
    assert not products._weights


def test_gradients_are_those_of_the_map(emulated: Any, operands: tuple[Tensor, ...]) -> None:
    exact = [t.detach().double().requires_grad_() for t in operands]
    y, expected = affine(*operands), F.linear(*exact)
    assert type(y.grad_fn).__name__ == "_AffineBackward"
    assert close(y, expected)
    toward = torch.randn(60, 35)
    gradients = torch.autograd.grad(y, operands, toward)
    wanted = torch.autograd.grad(expected, exact, toward.double())
    assert all(close(*pair) for pair in zip(gradients, wanted, strict=True))


def test_only_the_gradients_that_are_needed_are_computed(
    emulated: Any, operands: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, weight, _ = operands
    calls: list[tuple[int, ...]] = []
    product = products._product

    def count(left: Tensor, right: Tensor) -> Tensor:
        calls.append((*left.shape, len(right)))
        return product(left, right)

    monkeypatch.setattr(products, "_product", count)
    affine(x.detach(), weight).sum().backward()  # frozen embeddings
    assert calls == [(35, 60, 40)]
    assert close(weight.grad, torch.ones(35, 60) @ x.detach())


def test_what_the_unit_does_not_take_is_torch_s(
    emulated: Any, operands: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amx.PackedWeight, "affine", lambda *_: pytest.fail("not for the unit"))
    x, weight, bias = (t.detach() for t in operands)
    assert torch.equal(
        affine(x.double(), weight.double(), bias.double()),
        F.linear(x.double(), weight.double(), bias.double()),
    )
    assert affine(x.to("meta"), weight.to("meta")).shape == (60, 35)
    assert affine(x[None], weight).shape == (1, 60, 35)
    with torch.autocast("cpu", torch.bfloat16):
        assert affine(x, weight).dtype == torch.bfloat16
    weight[0, 0] = torch.inf
    assert torch.equal(affine(x, weight), F.linear(x, weight))


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_of_an_optimiser_is_seen(emulated: Any, fused: bool) -> None:
    """Fused ones change weights without a count."""
    layer, x = AffineMap(40, 35), torch.randn(50, 40)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=fused)
    for _ in range(2):
        before = layer(x)
        before.square().sum().backward()
        optimiser.step()
        with torch.no_grad():
            assert close(layer(x), F.linear(x, layer.weight, layer.bias))
            assert not close(layer(x), before)


def test_a_weight_is_packed_when_it_has_changed(
    emulated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    packings: list[int] = []
    pack = amx.pack

    def count(weight: Tensor) -> amx.PackedWeight | None:
        packings.append(id(weight))
        return pack(weight)

    monkeypatch.setattr(amx, "pack", count)
    layer, x = AffineMap(40, 35), torch.randn(50, 40)

    def is_right() -> bool:
        with torch.no_grad():
            return close(layer(x), F.linear(x, layer.weight, layer.bias))

    assert is_right()
    assert is_right()
    assert len(packings) == 1
    other = nn.Linear(40, 35)
    layer.load_state_dict(other.state_dict())
    assert is_right()
    assert len(packings) == 2
    with torch.inference_mode():
        layer.weight.mul_(2)
        assert close(layer(x), F.linear(x, layer.weight, layer.bias))
    layer.weight.data = torch.randn(35, 40)
    assert is_right()
    layer.weight = nn.Parameter(torch.randn(35, 40))
    assert is_right()
    assert len(packings) == 5
    with torch.inference_mode():
        frozen = torch.randn(35, 40)
        assert close(affine(x, frozen), x @ frozen.T)
        frozen.mul_(3)
        assert close(affine(x, frozen), x @ frozen.T)


def test_what_was_packed_goes_with_its_weight(emulated: Any) -> None:
    layer = AffineMap(40, 35)
    with torch.no_grad():
        layer(torch.randn(3, 40))
    assert len(products._weights) == 1
    del layer
    gc.collect()
    assert not products._weights


def test_it_reads_and_writes_the_state_of_a_linear_layer() -> None:
    layer, linear = AffineMap(4, 3), nn.Linear(4, 3)
    linear.load_state_dict(layer.state_dict())
    x = torch.randn(5, 4)
    assert torch.equal(layer(x), linear(x))
