"""Our own CUDA kernels are used where they can be had."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from sesstore.attention import fused
from sesstore.attention.bias import OffsetBias
from sesstore.attention.packed import attend_within


def test_a_bias_on_a_gpu_is_for_our_kernel(monkeypatch) -> None:
    """What reaches it, with a stand-in: the kernel itself is tested beside Triton."""
    calls = []

    def kernel(query, key, value, ends, longest, scale, table):
        calls.append((tuple(query.shape), key.stride(0), ends.tolist(), longest, scale))
        return query.flatten(1)

    monkeypatch.setattr(
        fused, "biased_attention", lambda device, dtype, width: SimpleNamespace(attend=kernel)
    )
    qkv, bias = torch.randn(9, 3, 32).double(), OffsetBias(torch.randn(2, 13))
    assert torch.equal(attend_within(qkv, [2, 7], 2, 0.5, bias=bias), qkv[:, 0])
    assert calls == [((9, 2, 16), 96, [0, 2, 9], 7, 0.5)]


def test_which_heads_our_kernel_takes(monkeypatch) -> None:
    gpu, asked = torch.device("cuda", 1), []
    module = SimpleNamespace(WIDEST=128)
    monkeypatch.setattr(fused, "_checked_module", lambda *what: (asked.append(what), module)[1])
    for dtype in (torch.float16, torch.bfloat16):
        assert fused.biased_attention(gpu, dtype, 128) is module
        assert fused.biased_attention(gpu, dtype, 129) is None
    assert set(asked) == {(gpu, "triton_attention")}
    asked.clear()
    assert fused.biased_attention(gpu, torch.float32, 64) is None
    assert fused.biased_attention(torch.device("cpu"), torch.float16, 64) is None
    assert fused.kernels(torch.zeros(2, 2)) is None
    assert asked == []
    monkeypatch.setattr(fused, "_checked_module", lambda *what: None)
    assert fused.biased_attention(gpu, torch.float16, 64) is None


def test_what_needs_a_gradient_is_for_torch(monkeypatch) -> None:
    monkeypatch.setattr(fused, "_checked_module", lambda device, name: name)
    rows = SimpleNamespace(is_cuda=True, requires_grad=True, device=torch.device("cuda", 0))
    assert fused.kernels(rows) is None
    with torch.no_grad():
        assert fused.kernels(rows) == "triton_kernels"
    rows.requires_grad = False
    assert fused.kernels(rows) == "triton_kernels"


@pytest.mark.parametrize("works", [True, False])
def test_kernels_are_tried_and_what_fails_is_said_and_replaced(monkeypatch, works: bool) -> None:
    checked_module, device = fused._checked_module.__wrapped__, torch.device("cuda", 0)
    tried = []

    def check(where: torch.device) -> None:
        tried.append(where)
        if not works:
            raise OSError("no C compiler\nmore words")

    module = SimpleNamespace(check=check)
    monkeypatch.setattr(fused, "import_module", {"sesstore.attention.x": module}.__getitem__)
    monkeypatch.setattr(torch.cuda, "device", lambda where: nullcontext())
    monkeypatch.setattr(fused, "at_least_ampere", lambda where: False)
    assert checked_module(device, "x") is None
    assert tried == []  # an older card, of which nothing is said
    monkeypatch.setattr(fused, "at_least_ampere", lambda where: True)
    if works:
        assert checked_module(device, "x") is module
    else:
        with pytest.warns(
            UserWarning, match=r"sesstore's x for GPUs .*\(OSError: no C compiler\);"
        ):
            assert checked_module(device, "x") is None
        with pytest.warns(UserWarning, match="KeyError"):
            assert checked_module(device, "y") is None
    assert tried == [device]
