"""How fast are affine maps on a core: float32, split and plain bfloat16, and how exact?

The maps of ESM-2's layers (and so of adapters' on them), of a part's rows, on one thread, each in
turn in every round: torch in float32 and in bfloat16, and, where the processor has a matrix unit
for bfloat16, `sesstore.products` with split weights (float32-class) and with plain ones. A figure
is the median over the rounds with the lowest and the highest; a ratio is of two medians. "step" is
one training step of the map, three products: forward and both gradients, weights packed anew, with
torch's float32 and with split ones. An error is that of the whole result, relative, to float64.

::

    python -m benchmarks.products --json
    python -m benchmarks.products --models t12 --rows 256 --rounds 3     # a quick look
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchmarks.clock import wall
from benchmarks.epoch import CPU, machine
from sesstore.products import amx
from sesstore.products.affine import affine

WIDTHS = {"t6": 320, "t12": 480, "t30": 640, "t33": 1280}
"""d of ESM-2's models."""
MAPS = {"qkv": (3, 1), "out": (1, 1), "fc1": (4, 1), "fc2": (1, 4)}
"""Columns that come out and go in, in units of d."""
RATIOS = {
    "split_vs_fp32": ("split", "torch_fp32"),
    "plain_vs_torch_bf16": ("plain", "torch_bf16"),
    "torch_bf16_vs_fp32": ("torch_bf16", "torch_fp32"),
    "split_step_vs_fp32": ("split_step", "torch_fp32_step"),
}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=list(WIDTHS), default=["t12", "t30", "t33"])
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = measure(options.models, options.rows, options.rounds)
    if options.json:
        print(json.dumps(report))
        return
    if not report["machine"]["matrix_unit"]:
        print("no matrix unit for bfloat16 here: torch alone is measured")
    for row in report["table"]:
        low, middle, high = row["gflops"]
        error = "" if row["error"] is None else f"   error {row['error']:.1e}"
        print(f"{row['map']:10} {row['way']:16} {middle:7.0f} ({low:.0f} to {high:.0f}){error}")
    for name, value in report["ratios"].items():
        print(f"{name}: {value:.2f}")


def measure(models: list[str], rows: int, rounds: int) -> dict[str, Any]:
    """Return machine, table and ratios of one run.

    Parameters
    ----------
    models : list of str
        Of `WIDTHS`.
    rows : int
        T.
    rounds : int
        In which all ways take turns.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        table = []
        for model, d in ((model, WIDTHS[model]) for model in models):
            for name, (out, into) in MAPS.items():
                table += _map(f"{model}_{name}", rows, out * d, into * d, rounds)
    finally:
        torch.set_num_threads(threads)
    medians = {(row["map"], row["way"]): row["gflops"][1] for row in table}
    ratios = {
        f"product_{name}_{ratio}": medians[name, way] / medians[name, against]
        for name, _ in medians
        for ratio, (way, against) in RATIOS.items()
        if (name, way) in medians
    }
    unit = {"matrix_unit": amx.kernel() is not None}
    return {"machine": machine() | unit, "table": table, "ratios": ratios}


def _map(name: str, rows: int, out: int, into: int, rounds: int) -> list[dict[str, Any]]:
    """Rows of the table: one a way."""
    chance = torch.Generator().manual_seed(0)
    x = torch.randn(rows, into, generator=chance)
    weight = torch.randn(out, into, generator=chance) * into**-0.5
    bias = torch.randn(out, generator=chance)
    expected = F.linear(x.double(), weight.double(), bias.double())
    ways = _ways(x, weight, bias)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way, work in ways.items():
            seconds[way].append(wall(work, CPU))
    table = []
    for way, work in ways.items():
        flops = 2.0 * rows * out * into * (3 if way.endswith("step") else 1)
        rates = flops / np.array(seconds[way][1:]) / 1e9  # without the first, which warms up
        spread = [float(np.quantile(rates, share)) for share in (0, 0.5, 1)]
        result = work()
        error = None
        if result is not None:
            error = float((result.double() - expected).norm() / expected.norm())
        table.append({"map": name, "way": way, "gflops": spread, "error": error})
    return table


def _ways(x: Tensor, weight: Tensor, bias: Tensor) -> dict[str, Callable[[], Tensor | None]]:
    """Calls by name; those of a step return nothing."""
    halves = [t.bfloat16() for t in (x, weight, bias)]
    ways: dict[str, Callable[[], Tensor | None]] = {
        "torch_fp32": lambda: F.linear(x, weight, bias),
        "torch_bf16": lambda: F.linear(*halves),
        "torch_fp32_step": _step(F.linear, x, weight),
    }
    split, plain = amx.pack(weight), amx.pack(weight.bfloat16())
    if split is not None and plain is not None:
        ways["split"] = lambda: split.affine(x, bias)
        ways["plain"] = lambda: plain.affine(x, bias)
        ways["split_step"] = _step(affine, x, weight)
    return ways


def _step(
    product: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor
) -> Callable[[], None]:
    """A forward and both gradients, after a change of the weight."""
    inputs = [x.clone().requires_grad_(), weight.clone().requires_grad_()]
    toward = torch.randn(len(x), len(weight))

    def step() -> None:
        with torch.no_grad():
            inputs[1].mul_(1)
        torch.autograd.grad(product(*inputs), inputs, toward)

    return step


if __name__ == "__main__":
    main()
