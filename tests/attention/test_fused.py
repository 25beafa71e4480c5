"""Our own CUDA kernels are used where they can be had."""

from __future__ import annotations

from types import SimpleNamespace

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
