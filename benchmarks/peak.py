"""Operations a second of a large matrix product: what shares of a peak are told of."""

from __future__ import annotations

import torch
from torch import Tensor

from .clock import clock, wall

SIZES = (1024, 2048)
"""Of square products on a CPU; which is faster differs from processor to processor."""
LARGE = 8192
"""Of one that fills a GPU."""


def matmul_peak(device: torch.device, repeats: int = 6) -> float:
    """Return floating-point operations a second of a product of random matrices, the best of some.

    On a CPU in float32; on a GPU in the faster half precision, which is what its matrix units do.

    Parameters
    ----------
    device : torch.device
    repeats : int
        Products of each size on a CPU.
    """
    if device.type == "cuda":
        return max(_on_gpu(device, dtype) for dtype in (torch.bfloat16, torch.float16))
    return max(_on_cpu(size, repeats) for size in SIZES)


def _on_cpu(size: int, repeats: int) -> float:
    a, b, out = (torch.randn(size, size) for _ in range(3))
    cpu = torch.device("cpu")
    best = min(wall(lambda: torch.mm(a, b, out=out), cpu) for _ in range(repeats))
    return 2.0 * size**3 / best


def _on_gpu(device: torch.device, dtype: torch.dtype) -> float:
    a, b = (torch.randn(LARGE, LARGE, device=device, dtype=dtype) for _ in range(2))

    def product() -> Tensor:
        return a @ b

    return 2.0 * LARGE**3 / clock(product, device)
