"""How close does attention come to the matrix-multiply peak, against torch's own kernel?

Forward, and backward from a saved forward, of the heads encoders and adapters have, on one core:
our kernel and torch's `scaled_dot_product_attention` (FlashAttention) on the same packed batch of
about 2,000 residues, rotary embedding included in both. A backward counts twice the operations of
its forward, as is usual, though both kernels compute the scores anew. Both ways run in every round,
beside a large float32 product; the best of each counts.

::

    python -m benchmarks.attention --json
    python -m benchmarks.attention --widths 24 --rounds 2     # a quick look
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import torch

from benchmarks.clock import wall
from benchmarks.epoch import CPU, machine
from benchmarks.peak import matmul_peak
from sesstore.attention import native
from sesstore.attention.packed import attend
from sesstore.attention.rotation import Rotation, frequencies

HEADS = {24: 20, 32: 20, 64: 20, 60: 8, 80: 8, 160: 8}
"""Columns of a head and number of heads: ESM-2 t12, t30, t33; adapters on each."""


def measure(widths: list[int], length: int, rounds: int) -> dict[str, Any]:
    """Return machine, table and ratios of one run."""
    if native.kernel() is None:
        raise SystemExit("sesstore was installed without its kernel: there is nothing to compare")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        table = [_row(width, HEADS.get(width, 8), length, rounds) for width in widths]
    finally:
        torch.set_num_threads(threads)
    ratios = {}
    for row in table:
        for part in ("forward", "backward"):
            name = f"attention_{row['head_dim']}_{part}"
            ratios[f"{name}_vs_torch"] = row[f"{part}_gflops"] / row[f"torch_{part}_gflops"]
            ratios[f"{name}_share_of_matmul_peak"] = row[f"{part}_gflops"] / row["peak_gflops"]
    return {"machine": machine(), "table": table, "ratios": ratios}


def _row(width: int, heads: int, length: int, rounds: int) -> dict[str, Any]:
    lengths = [length] * max(2000 // length, 1)
    rows, d = sum(lengths), heads * width
    query = torch.randn(rows, d, requires_grad=True)
    key_value = torch.randn(rows, 2, d, requires_grad=True)
    toward = torch.randn(rows, d)
    rotation = Rotation(frequencies(width, torch.float64), lengths)
    flops = 4 * sum(n * n for n in lengths) * d
    kernel, best = native.kernel, dict.fromkeys(("", "torch_"), (0.0, 0.0))
    peak = 0.0
    for _ in range(rounds):
        peak = max(peak, matmul_peak(CPU, repeats=2))
        for name in best:
            native.kernel = kernel if not name else _absent  # type: ignore[assignment]
            try:
                out = attend(query, key_value, lengths, heads, rotation=rotation)
                forward = wall(lambda: _forward(query, key_value, lengths, heads, rotation), CPU)
                inputs = (query, key_value)
                backward = wall(lambda o=out, i=inputs: torch.autograd.grad(o, i, toward), CPU)  # type: ignore[misc]
            finally:
                native.kernel = kernel
            best[name] = (
                max(best[name][0], flops / forward),
                max(best[name][1], 2 * flops / backward),
            )
    speeds = {
        f"{name}{part}_gflops": speed / 1e9
        for name, best_speeds in best.items()
        for part, speed in zip(("forward", "backward"), best_speeds, strict=True)
    }
    return {"head_dim": width, "heads": heads, **speeds, "peak_gflops": peak / 1e9}


def _absent() -> None:
    """In place of the kernel: torch attends."""


def _forward(*arguments: Any) -> None:
    *inputs, rotation = arguments
    with torch.no_grad():
        attend(*inputs, rotation=rotation)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=list(HEADS), help="of a head")
    parser.add_argument("--length", type=int, default=500, help="residues of each protein")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = measure(options.widths, options.length, options.rounds)
    if options.json:
        print(json.dumps(report, indent=2))
        return
    for row in report["table"]:
        print(
            "  ".join(
                f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
            )
        )
    for name, value in report["ratios"].items():
        print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
