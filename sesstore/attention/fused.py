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

from .devices import at_least_ampere


def kernels(x: Tensor) -> Any | None:
    """Return the module `triton_kernels` if it runs where a tensor lies, else None."""
    if not x.is_cuda or (torch.is_grad_enabled() and x.requires_grad):
        return None
    return _tried(x.device)


@cache
def _tried(device: torch.device) -> Any | None:
    if not at_least_ampere(device):
        return None
    try:
        module = import_module(f"{__package__}.triton_kernels")
        with torch.inference_mode(), torch.cuda.device(device):
            module.check(device)
    except Exception as problem:  # whatever a compiler, a driver or a linker may say
        first = (str(problem).splitlines() or [""])[0]
        warnings.warn(
            f"sesstore's kernels for GPUs cannot be used ({type(problem).__name__}: {first}); "
            f"torch's operations take their place, and embedding is slower. Triton needs a C "
            f"compiler and a folder it may write to (TRITON_CACHE_DIR)",
            stacklevel=3,
        )
        return None
    return module
