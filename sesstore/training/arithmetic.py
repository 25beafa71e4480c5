"""In which arithmetic adapters compute, and how a GPU is made to give the same bits every time.

A CPU computes in float32, the same bits every time. A GPU multiplies in bfloat16 and sums in
float32; float32 itself is float32, never TF32. Some of its kernels add in whatever order threads
finish: while `reproducible` is on, torch takes those that do not, and refuses what has no such
kernel. Then the same settings and seed give the same weights on the same kind of GPU with
the same torch, interrupted or not. Another GPU, another torch or a CPU gives other last bits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from ..attention.cuda import at_least_ampere
from ..encoders.devices import WORKSPACE, WORKSPACES, exact_products
from ..progress import SILENT, Progress

_SETTINGS: tuple[tuple[Any, str, Any], ...] = (
    (torch.backends.cudnn.conv, "fp32_precision", "ieee"),  # type: ignore[attr-defined]
    (torch.backends.cudnn.rnn, "fp32_precision", "ieee"),  # type: ignore[attr-defined]
    # Deterministic algorithms would write every empty tensor once, for nothing here.
    (torch.utils.deterministic, "fill_uninitialized_memory", False),
)
"""Settings of torch's that decide what a GPU computes, beside products: where, name and value."""


def mixed_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Multiply in bfloat16 where the device has it; the same in training and evaluation."""
    enabled = device.type == "cuda" and at_least_ampere(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def device_name(device: torch.device) -> str:
    """What a record calls a device: ``"cpu"``, or a GPU by its model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@contextmanager
def reproducible(device: torch.device, progress: Progress = SILENT) -> Iterator[None]:
    """Compute the same bits every time, as long as the block lasts.

    Parameters
    ----------
    device : torch.device
        A CPU needs nothing.
    progress : Progress
        Told if CUDA was in use before with a workspace of cuBLAS that may give other bits.
    """
    if device.type != "cuda":
        yield
        return
    if os.environ.get(WORKSPACE) not in WORKSPACES:
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            progress.note(
                f"CUDA was in use before training chose its workspace: the last bits may differ "
                f"from run to run. Set {WORKSPACE}={WORKSPACES[0]} before Python starts"
            )
        os.environ[WORKSPACE] = WORKSPACES[0]
    with exact_products(), _settings():
        yield


@contextmanager
def _settings() -> Iterator[None]:
    previous = [(module, name, getattr(module, name)) for module, name, _ in _SETTINGS]
    strict = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        for module, name, value in _SETTINGS:
            setattr(module, name, value)
        torch.use_deterministic_algorithms(True)  # flash attention heeds no warn_only
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warns)
        for module, name, value in previous:
            setattr(module, name, value)
