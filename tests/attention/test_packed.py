"""Attention of packed sequences, by our kernel and by torch's, against float64."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from sesstore.attention import fused, native
from sesstore.attention.bias import OffsetBias
from sesstore.attention.packed import attend, attend_within
from sesstore.attention.rotation import Rotation
from sesstore.errors import InputError

built = pytest.mark.skipif(native.kernel() is None, reason="installed without the kernel")
EDGES = [1, 2, 7, 8, 15, 16, 17, 33, 95, 96, 97, 255, 256, 257, 300]


def inputs(lengths: list[int], heads: int, head_dim: int) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(sum(lengths))
    rows, d = sum(lengths), heads * head_dim
    return (
        torch.randn(rows, d, generator=chance).requires_grad_(),
        torch.randn(rows, 2, d, generator=chance).requires_grad_(),
    )


def turns(lengths: list[int], head_dim: int) -> Rotation:
    return Rotation(100.0 ** -(torch.arange(0, head_dim, 2).double() / head_dim), lengths)


def by_definition(
    query: Tensor,
    key_value: Tensor,
    lengths: list[int],
    heads: int,
    rotation: Rotation | None,
    scale: float | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    query, key, value = (
        x.double().unflatten(-1, (heads, -1)) for x in (query, *key_value.unbind(1))
    )
    if rotation is not None:
        query, key = rotation(query), rotation(key)
    parts = []
    for q, k, v in zip(*(torch.split(x, lengths) for x in (query, key, value)), strict=True):
        scores = torch.einsum("ihd,jhd->hij", q, k) * (scale or q.shape[-1] ** -0.5)
        if bias is not None:  # of the key's place less the query's
            place = torch.arange(len(q))
            scores = scores + bias[:, place - place[:, None] + bias.shape[1] // 2]
        parts.append(torch.einsum("hij,jhd->ihd", scores.softmax(-1), v))
    return torch.cat(parts).flatten(1)


def check(lengths: list[int], heads: int, head_dim: int, rotated: bool) -> None:
    query, key_value = inputs(lengths, heads, head_dim)
    rotation = turns(lengths, head_dim) if rotated else None
    mine = attend(query, key_value, lengths, heads, rotation=rotation)
    expected = by_definition(query, key_value, lengths, heads, rotation)
    torch.testing.assert_close(mine.double(), expected, atol=2e-5, rtol=2e-5)
    toward = torch.randn(mine.shape)
    found = torch.autograd.grad(mine, (query, key_value), toward)
    wanted = torch.autograd.grad(expected, (query, key_value), toward.double())
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        again = attend(query, key_value, lengths, heads, rotation=rotation)
    torch.testing.assert_close(again, mine)


@settings(max_examples=settings.default.max_examples * 3 // 10, deadline=None)
@given(
    lengths=st.lists(st.sampled_from(EDGES), min_size=1, max_size=4),
    heads=st.integers(1, 5),
    half=st.integers(1, 45),
    rotated=st.booleans(),
)
def test_attention_and_its_gradients_are_those_of_the_definition(
    lengths: list[int], heads: int, half: int, rotated: bool
) -> None:
    check(lengths, heads, 2 * half, rotated)


@pytest.mark.parametrize("head_dim", [24, 32, 60, 64, 80, 128, 160, 256])
def test_the_widths_of_models(head_dim: int) -> None:
    check([300, 41], 2, head_dim, rotated=True)


def test_without_the_kernel_torch_attends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "kernel", lambda: None)
    check([30, 41], 2, 24, rotated=True)
    check([5], 2, 6, rotated=False)


@pytest.mark.parametrize("kernel", ["ours", "torch's"])
@pytest.mark.parametrize("rotated", [False, True])
def test_scale_and_bias_reach_every_kernel(monkeypatch, kernel: str, rotated: bool) -> None:
    if kernel == "torch's":
        monkeypatch.setattr(native, "kernel", lambda: None)
    lengths = [33, 1, 40]
    query, key_value = (x.detach() for x in inputs(lengths, 3, 16))
    rotation, table = turns(lengths, 16) if rotated else None, torch.randn(3, 2 * 45 + 1)
    for scale in (0.7, None):
        for bias in (OffsetBias(table), None):
            mine = attend(query, key_value, lengths, 3, scale, rotation, bias)
            wanted = None if bias is None else table.double()
            expected = by_definition(query, key_value, lengths, 3, rotation, scale, wanted)
            torch.testing.assert_close(mine.double(), expected, atol=2e-5, rtol=2e-5)


def test_other_types_are_for_torch() -> None:
    query, key_value = (x.double() for x in inputs([9, 4], 2, 8))
    assert not native.takes(query, 2)
    expected = by_definition(query, key_value, [9, 4], 2, None)
    torch.testing.assert_close(attend(query, key_value, [9, 4], 2), expected)


@built
def test_heads_shared_out_over_threads_give_the_same_bits() -> None:
    query, key_value = inputs([70, 300], 7, 16)
    rotation, toward = turns([70, 300], 16), torch.randn(370, 112)
    found = []
    threads = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            out = attend(query, key_value, [70, 300], 7, rotation=rotation)
            found.append((out, *torch.autograd.grad(out, (query, key_value), toward)))
    finally:
        torch.set_num_threads(threads)
    for one, three in zip(*found, strict=True):
        assert torch.equal(one, three)


@built
def test_batch_mates_change_no_bit() -> None:
    query, key_value = inputs([50, 300, 33], 4, 24)
    together = attend(query, key_value, [50, 300, 33], 4)
    alone = attend(query[50:350], key_value[50:350], [300], 4)
    assert torch.equal(together[50:350], alone)


@built
def test_rows_may_be_parts_of_wider_ones_but_columns_lie_together() -> None:
    qkv = torch.randn(40, 3, 32)
    expected = attend(qkv[:, 0].clone(), qkv[:, 1:].clone(), [40], 2)
    assert torch.equal(attend(qkv[:, 0], qkv[:, 1:], [40], 2), expected)
    strided = torch.randn(40, 3, 64)
    strided[..., ::2] = qkv
    apart = strided[..., ::2]
    assert torch.equal(attend(apart[:, 0], apart[:, 1:], [40], 2), expected)


@built
def test_a_gradient_that_is_one_number_repeated() -> None:
    """As that of a sum: it has no rows of its own in memory."""
    query, key_value = inputs([20, 33], 2, 16)
    mine = torch.autograd.grad(attend(query, key_value, [20, 33], 2).sum(), (query, key_value))
    expected = by_definition(query, key_value, [20, 33], 2, None).sum()
    for one, other in zip(mine, torch.autograd.grad(expected, (query, key_value)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@built
@pytest.mark.parametrize("head_dim", [512, 514, 1024])
def test_heads_wider_than_the_kernel_takes_are_for_torch(head_dim: int) -> None:
    query, _ = inputs([5, 9], 1, head_dim)
    assert native.takes(query, 1) == (head_dim <= 512)
    check([5, 9], 1, head_dim, rotated=True)


def wrong_calls() -> dict[str, tuple[object, ...]]:
    """Arguments of `native.attend` with which the kernel would leave its memory."""
    query, key_value = torch.randn(20, 32), torch.randn(20, 2, 32)
    wide, both = torch.randn(9, 1030), torch.randn(9, 2, 1030)
    return {
        "too few rows": (query, key_value, [30], 2, 1.0),
        "too many rows": (query, key_value, [10], 2, 1.0),
        "no rows": (query, key_value, [20, 0], 2, 1.0),
        "less than no rows": (query, key_value, [30, -10], 2, 1.0),
        "wide heads": (wide, both, [9], 2, 1.0),
        "heads that do not divide": (query, key_value, [20], 3, 1.0),
        "more heads than columns": (query[:, :1], key_value[..., :1], [20], 2, 1.0),
        "fewer keys": (query, key_value[:19], [20], 2, 1.0),
        "narrower keys": (query, key_value[..., :16], [20], 2, 1.0),
        "keys of another type": (query, key_value.double(), [20], 2, 1.0),
        "keys elsewhere": (query, key_value.to("meta"), [20], 2, 1.0),
        "short turns": (query, key_value, [20], 2, 1.0, torch.randn(19, 16)),
        "narrow turns": (query, key_value, [20], 2, 1.0, torch.randn(20, 8)),
        "turns of another type": (query, key_value, [20], 2, 1.0, torch.randn(20, 16).half()),
        "strided turns": (query, key_value, [20], 2, 1.0, torch.randn(16, 20).T),
        "short bias": (query, key_value, [20], 2, 1.0, None, torch.randn(2, 37)),
        "even bias": (query, key_value, [20], 2, 1.0, None, torch.randn(2, 40)),
        "bias of one head": (query, key_value, [20], 2, 1.0, None, torch.randn(1, 41)),
    }


@built
@pytest.mark.parametrize("call", wrong_calls())
def test_what_does_not_fit_never_reaches_the_kernel(call: str) -> None:
    with pytest.raises(InputError):
        native.attend(*wrong_calls()[call])


@built
def test_a_bias_has_no_gradient() -> None:
    query, key_value = inputs([20], 2, 16)
    with pytest.raises(InputError, match="gradient"):
        native.attend(query, key_value, [20], 2, 1.0, None, torch.randn(2, 39))


@built
def test_memory_is_guarded_under_optimised_python() -> None:
    code = (
        "import torch; from sesstore.attention import native\n"
        "try: native.attend(torch.ones(20, 32), torch.ones(20, 2, 32), [10**6], 2, 1.0)\n"
        "except ValueError as problem: print(problem)"
    )
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True)
    message = "lengths (1000000,) are not those of 20 rows. Give each its rows\n"
    assert (done.returncode, done.stdout) == (0, message)


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


@built
def test_scores_of_any_size() -> None:
    query, key_value = inputs([300], 1, 16)
    for factor in (0.0, 1e-30, 30.0, 1e4):
        mine = attend(query * factor, key_value, [300], 1)
        expected = by_definition(query * factor, key_value, [300], 1, None)
        torch.testing.assert_close(mine.double(), expected, atol=2e-3, rtol=2e-3)


@built
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_not_hidden(bad: float) -> None:
    query, key_value = (x.detach() for x in inputs([20, 300], 2, 16))
    query[100, 3] = bad
    mine = attend(query, key_value, [20, 300], 2)
    assert mine[100, :16].isnan().all()
    rest = torch.ones(320, dtype=torch.bool)
    rest[100] = False
    assert mine[rest].isfinite().all()
    query[100, 3], key_value[200, 0, 3] = 0.5, float("nan")
    assert attend(query, key_value, [20, 300], 2)[20:, :16].isnan().all()


@built
def test_the_kernel_is_the_one_for_this_processor() -> None:
    name = {"AVX2": "_avx2", "AVX512": "_avx512"}[torch.backends.cpu.get_cpu_capability()]
    assert native.kernel().__name__ == f"sesstore.attention.{name}"


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_side_by_side_is_the_same_attention(dtype) -> None:
    qkv = torch.randn(40, 3, 32, dtype=dtype)
    rotation = turns([33, 7], 16)
    expected = attend(qkv[:, 0], qkv[:, 1:], [33, 7], 2, rotation=rotation)
    found = attend_within(qkv.clone(), [33, 7], 2, rotation=rotation)
    torch.testing.assert_close(found, expected)
