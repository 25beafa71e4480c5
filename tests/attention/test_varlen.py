"""What is asked of torch's variable-length kernel, which runs on GPUs only.

On a CPU a write-up of its contract stands in for it, and checks what the kernel would.
"""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from sesstore.attention import cuda
from sesstore.attention import varlen as ours
from sesstore.attention.varlen import attend_varlen, takes

varlen = pytest.importorskip("torch.nn.attention.varlen")


def by_contract(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale=None):
    width = query.shape[-1]
    assert width % 8 == 0
    assert width <= 256
    assert query.stride(-1) == key.stride(-1) == value.stride(-1) == 1
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    sizes = cu_seq_q.diff().tolist()
    assert cu_seq_q[0] == 0
    assert cu_seq_q[-1] == len(query)
    assert (max_q, max_k) == (max(sizes), max(sizes))
    parts = [
        F.scaled_dot_product_attention(*(x.transpose(0, 1) for x in part), scale=scale)
        for part in zip(*(torch.split(x, sizes) for x in (query, key, value)), strict=True)
    ]
    return torch.cat([part.transpose(0, 1) for part in parts])


def before_scale(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False):
    """As torch 2.10 has it."""
    return by_contract(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k)


@pytest.fixture(autouse=True, params=[by_contract, before_scale])
def contract(request, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(varlen, "varlen_attn", request.param)
    ours._has_scale.cache_clear()
    yield
    ours._has_scale.cache_clear()


@pytest.mark.parametrize("width", [60, 64, 80, 3])
@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
def test_equals_attention_within_each_sequence(width: int, scale: float | None) -> None:
    torch.manual_seed(0)
    lengths = [5, 1, 17]
    parts = [torch.randn(23, 4, width, requires_grad=True) for _ in range(3)]
    mine = attend_varlen(*parts, lengths, scale)
    theirs = torch.cat(
        [
            F.scaled_dot_product_attention(*(x.transpose(0, 1) for x in part), scale=scale)
            .transpose(0, 1)
            .flatten(1)
            for part in zip(*(torch.split(x, lengths) for x in parts), strict=True)
        ]
    )
    torch.testing.assert_close(mine, theirs)
    weights = torch.randn_like(mine)
    for one, other in zip(
        torch.autograd.grad((mine * weights).sum(), parts),
        torch.autograd.grad((theirs * weights).sum(), parts),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-5)


def test_after_inference_gradients_still_flow() -> None:
    rows = torch.randn(6, 2, 8)
    with torch.inference_mode():
        attend_varlen(rows, rows, rows, [4, 2])
    again = rows.clone().requires_grad_()
    attend_varlen(again, again, again, [4, 2]).sum().backward()
    assert again.grad is not None


def test_a_cpu_never_takes_it() -> None:
    assert not takes(torch.zeros(2, 2, 8, dtype=torch.bfloat16))


def test_this_torch_has_the_arguments_that_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ours._has_scale.cache_clear()
    names = list(inspect.signature(varlen.varlen_attn).parameters)
    assert names[:7] == ["query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k"]
    assert ours._has_scale() == (torch.__version__ >= "2.11")


def queries(dtype: torch.dtype, width: int = 64, index: int | None = None) -> SimpleNamespace:
    """What is asked of queries on a GPU."""
    device = torch.device("cuda") if index is None else torch.device("cuda", index)
    return SimpleNamespace(is_cuda=True, dtype=dtype, device=device, shape=(9, 2, width))


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch):
    """Card 0 is a T4, card 1 an A100, card 2 an H100."""
    capability = {0: (7, 5), 1: (8, 0), 2: (9, 0)}
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", capability.__getitem__)
    cuda._capability.cache_clear()
    yield
    cuda._capability.cache_clear()


def test_cards_before_ampere_attend_by_the_plain_kernel(cards) -> None:
    half = torch.float16
    assert [takes(queries(half, index=index)) for index in (None, 0, 1, 2)] == [
        False, False, True, True,
    ]  # fmt: skip
    assert takes(queries(torch.bfloat16, index=1))
    assert not takes(queries(torch.float32, index=1))
    assert takes(queries(half, 256, index=1))
    assert not takes(queries(half, 320, index=1))
