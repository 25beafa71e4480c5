"""What a CUDA device can do, and how much of its memory is free.

Asked once a device; both `encoders` and `streaming` stand above, so they share one answer.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import torch
from torch import Tensor

from ..memory import available_memory

_AMPERE = (8, 0)
"""Compute capability from which on there are bfloat16 products and FlashAttention kernels."""


@cache
def _capability(index: int) -> tuple[int, int]:
    return torch.cuda.get_device_capability(index)


def at_least_ampere(device: torch.device) -> bool:
    """Whether a CUDA device has bfloat16 products and FlashAttention (A100 and later; no T4)."""
    index = torch.cuda.current_device() if device.index is None else device.index
    return _capability(index) >= _AMPERE


def free_memory(device: torch.device) -> int:
    """Bytes of a device this process may still take, as measured now: a GPU's, or the machine's.

    What torch's allocator holds in its cache and no tensor uses counts as free: the driver counts
    it as taken, though the next tensor gets it.
    """
    if device.type != "cuda":
        return available_memory()
    free, _ = torch.cuda.mem_get_info(device)
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + max(cached, 0))


def to_device(host: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the CPU to a device, on a CUDA device without waiting for its work.

    That takes pinned memory; where none can be had (the system limits locked memory) the host
    waits.
    """
    if device.type == "cuda":
        with suppress(RuntimeError):
            host = host.pin_memory()
    return host.to(device, non_blocking=True)
