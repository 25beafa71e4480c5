"""Milliseconds of one layer's parts at 65,536 rows: what fusing each could save."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.adapter.model import Adapter
from sesstore.attention.rotation import Rotation, frequencies
from sesstore.streaming.batch import Batch

from ..clock import clock
from .proteins import draw_lengths
from .visit import Visit


def measure(visit: Visit) -> dict[str, Any]:
    """Measure the parts at the widths of ESM-2, and a training step with and without launching."""
    layer_ms: dict[str, Any] = {}
    rows = 128 if visit.tiny else 65536
    for dim in (320,) if visit.tiny else (480, 640, 1280, 2560):
        row = layer_ms[f"d {dim}"] = _layer(visit, rows, dim)
        products = sum(row[name] for name in ("qkv", "out", "fc1", "fc2"))
        row["products_tflops"] = 24 * rows * dim * dim / products / 1e9
    return {"layer_ms": layer_ms, "graph": {"step": _step(visit)}}


def _layer(visit: Visit, rows: int, dim: int) -> dict[str, float]:
    device, dtype = visit.device, visit.half
    x = torch.randn(rows, dim, device=device).to(dtype)
    wide = torch.randn(rows, 4 * dim, device=device).to(dtype)
    shapes = {
        "qkv": (3 * dim, dim),
        "out": (dim, dim),
        "fc1": (4 * dim, dim),
        "fc2": (dim, 4 * dim),
    }
    weight = {
        name: (torch.randn(m, n, device=device) / n**0.5).to(dtype)
        for name, (m, n) in shapes.items()
    }
    bias = {name: torch.randn(len(w), device=device).to(dtype) for name, w in weight.items()}
    scale, total = torch.ones(dim, device=device, dtype=dtype), x.clone()
    head = 64 if dim % 64 == 0 else 24
    lengths = draw_lengths(rows)
    lengths += [rows - sum(lengths)] if sum(lengths) < rows else []
    rotation = Rotation(frequencies(head), lengths, device)
    operations: dict[str, Callable[[], object]] = {
        "qkv": lambda: F.linear(x, weight["qkv"], bias["qkv"]),
        "out": lambda: total.addmm_(x, weight["out"].T),
        "fc1": lambda: F.linear(x, weight["fc1"], bias["fc1"]),
        "fc2": lambda: total.addmm_(wide, weight["fc2"].T),
        "fc2 with bias": lambda: F.linear(wide, weight["fc2"], bias["fc2"]),
        "gelu": lambda: torch.ops.aten.gelu_(wide),
        "bias": lambda: total.add_(bias["out"]),
        "norm": lambda: F.layer_norm(x, (dim,), scale, scale),
        "rotation of queries": lambda: rotation(x.view(rows, dim // head, head)),
        "copy": lambda: total.copy_(x),
    }
    milliseconds = {}
    with torch.inference_mode():
        for name, work in operations.items():
            milliseconds[name] = clock(work, device, seconds=0.15) * 1e3
            total.copy_(x)
    return milliseconds


def _step(visit: Visit) -> dict[str, Any]:
    """A training step, launched by Python and replayed as a graph: how much is launching."""
    dim, heads = (32, 4) if visit.tiny else (1280, 8)
    batch = _batch(draw_lengths(600 if visit.tiny else 8192), dim).to(visit.device)
    config = AdapterConfig(dim, 2, heads=heads, dropout=0.0)
    adapter = Adapter(config).to(visit.device).train()
    parameters = list(adapter.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=1e-4, fused=True, capturable=visit.gpu)

    def step() -> None:
        kind = visit.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=visit.gpu, cache_enabled=False):
            logits = adapter(batch)
        loss = F.cross_entropy(logits.float(), batch.labels)
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()

    flops = adapter.training_flops(batch.lengths)
    row: dict[str, Any] = {
        "eager_ms": clock(step, visit.device) * 1e3,
        "residues": sum(batch.lengths),
        "proteins": len(batch.lengths),
    }
    if visit.gpu:
        try:
            row["graph_ms"] = _replay_seconds(step, visit) * 1e3
            row["graph_share_of_peak"] = flops / row["graph_ms"] * 1e3 / visit.peak
        except Exception as problem:
            row["graph"] = f"{type(problem).__name__}: {str(problem)[:300]}"
    return row


def _batch(lengths: list[int], dim: int) -> Batch:
    random, total = np.random.default_rng(0), sum(lengths)
    codes = {
        name: torch.from_numpy(random.integers(0, size, total))
        for name, size in (("foldseek", 20), ("dssp", 8))
    }
    values: Tensor = torch.from_numpy(random.standard_normal((total, dim)).astype(np.float16))
    labels = torch.from_numpy(random.integers(0, 2, len(lengths)))
    return Batch(values, codes, tuple(lengths), labels, torch.arange(len(lengths)))


def _replay_seconds(step: Callable[[], None], visit: Visit) -> float:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return clock(graph.replay, visit.device)
