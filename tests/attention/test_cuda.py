"""What a CUDA device is asked, with made-up answers."""

from __future__ import annotations

import pytest
import torch

from sesstore.attention import cuda
from sesstore.attention.cuda import free_memory, to_device
from sesstore.training.stream import free_by_residency

GPU = torch.device("cuda", 0)


@pytest.fixture
def used_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 GB, of which torch holds 70, and tensors 5 of these."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * 10**9, 80 * 10**9))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 70 * 10**9)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5 * 10**9)


@pytest.mark.usefixtures("used_card")
def test_what_torch_caches_and_nothing_uses_is_free() -> None:
    assert free_memory(GPU) == 75 * 10**9
    assert free_by_residency(GPU)["device"] == 75 * 10**9


def test_without_pinned_memory_a_copy_is_made_all_the_same(monkeypatch) -> None:
    sent = []

    def refused(self):
        raise RuntimeError("CUDA error: out of memory (cudaHostAlloc)")

    def to(self, device, non_blocking):
        sent.append((device, non_blocking))
        return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", refused)
    monkeypatch.setattr(torch.Tensor, "to", to)
    host = torch.arange(3)
    assert to_device(host, GPU) is host
    assert sent == [(GPU, True)]


def test_free_memory_is_that_of_the_device_that_is_meant(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (device.index * 100, 10**6))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 7 * device.index)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 10)
    assert [free_memory(torch.device("cuda", index)) for index in (1, 2)] == [100, 204]
    monkeypatch.setattr(cuda, "available_memory", lambda: 55)
    assert free_memory(torch.device("cpu")) == 55


def test_a_copy_to_a_gpu_is_of_pinned_memory_and_a_copy_on_the_cpu_of_none(monkeypatch) -> None:
    pinned, sent = torch.arange(3), []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned)
    monkeypatch.setattr(
        torch.Tensor,
        "to",
        lambda self, device, non_blocking: (sent.append((self, device)), self)[1],
    )
    host = torch.arange(4)
    assert to_device(host, torch.device("cpu")) is host
    assert to_device(host, GPU) is pinned
    assert [device for _, device in sent] == [torch.device("cpu"), GPU]
