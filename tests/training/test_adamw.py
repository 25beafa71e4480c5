"""The optimiser of adapters is torch's, without what its class imports."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor

from sesstore.training.adamw import AdamW


def parameters() -> list[Tensor]:
    chance = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=chance).requires_grad_() for shape in ((3, 5), (5,))]


def set_gradients(values: list[Tensor], step: int) -> None:
    for place, value in enumerate(values):
        chance = torch.Generator().manual_seed(100 * step + place)
        value.grad = torch.randn(value.shape, generator=chance)


def test_steps_are_those_of_torch_bit_by_bit() -> None:
    ours, theirs = parameters(), parameters()
    optimiser = AdamW(ours, 0.3)
    reference = torch.optim.AdamW(theirs, lr=1, weight_decay=0.3, fused=True)
    for step, rate in enumerate((0.1, 0.01, 0.05, 0.0)):
        set_gradients(ours, step)
        set_gradients(theirs, step)
        reference.param_groups[0]["lr"] = rate
        optimiser.step(rate)
        reference.step()
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
        assert [value.grad for value in ours] == [None, None]
    state = dict(optimiser.tensors())
    for place, value in enumerate(theirs):
        for name, tensor in reference.state[value].items():
            assert torch.equal(state.pop(f"{place}/{name}"), tensor)
    assert not state


def test_it_goes_on_from_where_it_was() -> None:
    whole, halves = parameters(), parameters()
    steady, first = AdamW(whole, 0.01), AdamW(halves, 0.01)
    assert not list(first.tensors())
    first.restore({})  # of a training that was interrupted before its first step
    for step in range(4):
        if step == 2:
            stored = {name: tensor.clone() for name, tensor in first.tensors()}
            first = AdamW(halves, 0.01)
            first.restore(stored)
        for values, optimiser in ((whole, steady), (halves, first)):
            set_gradients(values, step)
            optimiser.step(0.1)
    assert all(torch.equal(a, b) for a, b in zip(whole, halves, strict=True))


def test_a_step_counts_as_a_change() -> None:
    (weight, _) = values = parameters()
    before = weight._version
    set_gradients(values, 0)
    AdamW(values, 0.01).step(0.1)
    assert weight._version > before


def test_the_compiler_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    values = parameters()
    set_gradients(values, 0)
    AdamW(values, 0.01).step(0.1)
