"""Attention with a bias by distance, in Triton: on a GPU, or by Triton's interpreter."""

from __future__ import annotations

import importlib
import os

import pytest
import torch

from .conftest import DEVICE

if DEVICE.type == "cpu":  # read when triton is imported
    os.environ.setdefault("TRITON_INTERPRET", "1")

pytest.importorskip("triton")


@pytest.fixture(scope="module")
def biased():
    """The module of attention with a bias."""
    return importlib.import_module("sesstore.attention.triton_attention")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("width", [16, 24, 8, 80])
def test_attention_with_a_bias_by_distance(biased, dtype, width) -> None:
    lengths, heads = [150, 1, 64, 129], 2
    longest, rows = max(lengths), sum(lengths)
    qkv = torch.randn(rows, 3, heads, width, device=DEVICE).to(dtype)
    table = torch.randn(heads, 2 * longest + 5, device=DEVICE).to(dtype)
    ends = torch.tensor([0, *lengths]).cumsum(0).to(DEVICE, torch.int32)
    query = qkv[:, 0].contiguous()  # keys and values are elsewhere, and rows are not as far apart
    mine = biased.attend(query, qkv[:, 1], qkv[:, 2], ends, longest, 0.3, table)
    parts = []
    for part in torch.split(qkv.double(), lengths):
        query, key, value = part.permute(1, 2, 0, 3)
        place = torch.arange(len(part), device=DEVICE)
        bias = table.double()[:, place - place[:, None] + longest + 2]
        scores = query @ key.transpose(1, 2) * 0.3 + bias
        parts.append((scores.softmax(-1) @ value).transpose(0, 1).flatten(1))
    near = {torch.float16: 3e-3, torch.float32: 2e-5}[dtype]
    torch.testing.assert_close(mine.double(), torch.cat(parts), atol=near, rtol=near)


def test_a_sequence_is_attended_to_alike_among_others(biased) -> None:
    qkv = torch.randn(90, 3, 1, 16, device=DEVICE).half()
    table = torch.randn(1, 201, device=DEVICE).half()
    ends = torch.tensor([0, 20, 90], dtype=torch.int32, device=DEVICE)
    together = biased.attend(*qkv.unbind(1), ends, 70, 1.0, table)
    ends = torch.tensor([0, 70], dtype=torch.int32, device=DEVICE)
    alone = biased.attend(*qkv[20:].unbind(1), ends, 70, 1.0, table)
    assert torch.equal(together[20:], alone)


def test_the_check_of_attention_finds_nothing_wrong(biased) -> None:
    biased.check(DEVICE)


def test_a_kernel_that_gives_wrong_numbers_is_noticed(biased, monkeypatch) -> None:
    attend = biased.attend
    monkeypatch.setattr(biased, "attend", lambda *parts: attend(*parts) + 0.1)
    with pytest.raises(ArithmeticError, match="wrong numbers"):
        biased.check(DEVICE)
