"""Versions, peaks of the device, and what the host does a byte."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import torch

from ..clock import clock
from .visit import TEMPORARY, Visit

CPU = torch.device("cpu")


def measure(visit: Visit) -> dict[str, Any]:
    """Measure the peaks first: shares of them are told of all that follows."""
    peaks = {name: _peak(visit, dtype) for name, dtype in (
        ("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32),
    )}  # fmt: skip
    torch.backends.cuda.matmul.allow_tf32 = True
    peaks["tf32"] = _peak(visit, torch.float32)
    torch.backends.cuda.matmul.allow_tf32 = False
    visit.peak = max(peaks["bf16"], peaks["fp16"]) * 1e12
    result: dict[str, Any] = {
        "torch": torch.__version__, "python": sys.version.split()[0], "numpy": np.__version__,
        "cores": os.cpu_count(), "threads": torch.get_num_threads(), "peaks_tflops": peaks,
        "host_gb_per_s": _host(visit), "varlen": _varlen(),
    }  # fmt: skip
    if visit.gpu:
        result["device"] = torch.cuda.get_device_name()
        result["memory_gb"] = [size / 1e9 for size in torch.cuda.mem_get_info()]
        result["copies_gb_per_s"] = _copies(visit.device)
    return result


def _peak(visit: Visit, dtype: torch.dtype) -> float:
    """Tflop/s of a large product of random numbers."""
    size = 256 if visit.tiny else 8192
    a, b = (torch.randn(size, size, device=visit.device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / clock(lambda: a @ b, visit.device) / 1e12


def _varlen() -> str:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError as problem:
        return str(problem)
    return str(inspect.signature(varlen_attn))


def _copies(device: torch.device) -> dict[str, float]:
    source = torch.empty(1 << 30, dtype=torch.uint8, device=device)
    target, pageable = torch.empty_like(source), torch.empty(1 << 28, dtype=torch.uint8)
    pinned, part = pageable.pin_memory(), source[: 1 << 28]
    seconds = {
        "device_to_device": clock(lambda: target.copy_(source), device) / 8,  # read and written
        "to_pinned": clock(lambda: pinned.copy_(part, non_blocking=True), device),
        "from_pinned": clock(lambda: part.copy_(pinned, non_blocking=True), device),
        "to_pageable": clock(lambda: pageable.copy_(part), device),
        "from_pageable": clock(lambda: part.copy_(pageable), device),
    }
    return {name: len(part) / value / 1e9 for name, value in seconds.items()}


def _host(visit: Visit) -> dict[str, float]:
    """Stored bytes a second of one thread: what stands between a GPU and the disk."""
    count = 1 << (14 if visit.tiny else 22)
    wide = np.random.default_rng(0).standard_normal(count * 16).astype(np.float32)
    narrow = wide.astype(np.float16)
    raw, tensor = narrow.view(np.uint8), torch.from_numpy(wide)
    copies: dict[str, Callable[[], object]] = {
        "sha256": lambda: hashlib.sha256(raw.data),
        "crc32c": lambda: google_crc32c.extend(0, raw),
        "numpy fp32 to fp16": lambda: wide.astype(np.float16),
        "torch fp32 to fp16": lambda: tensor.half(),
        "torch fp16 to fp32": lambda: torch.from_numpy(narrow).float(),
        "isfinite fp16": lambda: np.isfinite(narrow).all(),
        "copy": lambda: narrow.copy(),
        "write to memory": lambda: _write(raw, TEMPORARY, sync=False),
        "write and sync to disk": lambda: _write(raw, Path(tempfile.gettempdir()), sync=True),
    }
    return {name: raw.size / clock(work, CPU, seconds=0.2) / 1e9 for name, work in copies.items()}


def _write(raw: np.ndarray, folder: Path, *, sync: bool) -> None:
    path = folder / f"gpu-check-{os.getpid()}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(handle, raw.data)
    if sync:
        os.fsync(handle)
    os.close(handle)
    path.unlink()
