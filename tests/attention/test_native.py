"""The kernel for x86-64 CPUs: what it takes, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from sesstore.attention import native
from sesstore.attention.packed import attend
from sesstore.errors import InputError

from .conftest import built, by_definition, check, inputs, turns


def test_without_the_kernel_torch_attends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "kernel", lambda: None)
    check([30, 41], 2, 24, rotated=True)
    check([5], 2, 6, rotated=False)


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
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_attends_by_threads_of_its_own() -> None:
    """Threads do not live on in a fork: their pool would wait for ever."""
    program = """
import os, signal, sys, torch
from sesstore.attention.packed import attend
torch.set_num_threads(2)
query, key_value = torch.randn(3000, 64), torch.randn(3000, 2, 64)  # long: two threads begin
attend(query, key_value, [3000], 4)
child = os.fork()
if child == 0:
    signal.alarm(40)
    torch.set_num_threads(2)  # torch takes one after a fork
    attend(query, key_value, [3000], 4)
    os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    with pytest.raises(subprocess.CalledProcessError) as ended:
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert ended.value.returncode == 7


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
def test_the_kernel_is_the_one_for_this_processor() -> None:
    name = {"AVX2": "_avx2", "AVX512": "_avx512"}[torch.backends.cpu.get_cpu_capability()]
    assert native.kernel().__name__ == f"sesstore.attention.{name}"
