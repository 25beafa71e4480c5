"""Whether our own CUDA kernels can be had, and what stands in where they cannot.

They need a CUDA device of compute capability 8.0 or more, Triton (which torch brings on Linux) and
what Triton compiles with. That is tried once a process; without it plain torch operations give the
same numbers to rounding, in more passes over memory.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from .cuda import at_least_ampere


def kernels(x: Tensor) -> Any | None:
    """Return the module `triton_kernels` if it runs where a tensor lies, else None."""
    if not x.is_cuda or (torch.is_grad_enabled() and x.requires_grad):
        return None
    return _checked_module(x.device, "triton_kernels")


def biased_attention(device: torch.device, dtype: torch.dtype, width: int) -> Any | None:
    """Return the module `triton_attention` if it takes heads of a width where they lie, or None."""
    if device.type != "cuda" or dtype not in (torch.float16, torch.bfloat16):
        return None
    module = _checked_module(device, "triton_attention")
    return module if module is not None and width <= module.WIDEST else None


@cache
def _checked_module(device: torch.device, name: str) -> Any | None:
    if not at_least_ampere(device):
        return None
    try:
        module = import_module(f"{__package__}.{name}")
        with torch.inference_mode(), torch.cuda.device(device):
            module.check(device)
    except Exception as problem:  # whatever a compiler, a driver or a linker may say
        first = (str(problem).splitlines() or [""])[0]
        warnings.warn(
            f"sesstore's {name} for GPUs cannot be used ({type(problem).__name__}: {first}); "
            f"torch's operations take their place, and embedding is slower. Triton needs a C "
            f"compiler and a folder it may write to (TRITON_CACHE_DIR)",
            stacklevel=4,
        )
        return None
    return module
