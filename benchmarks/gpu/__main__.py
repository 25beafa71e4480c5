"""Check a GPU, section by section: ``python -m benchmarks.gpu``.

Every section stands alone and is written to ``check.json`` as soon as it ends; a section that fails
or comes after the deadline stops no other. Weights are random and lengths are those of DeepLoc's
proteins, so nothing is needed from a network::

    python -m benchmarks.gpu --out gpu                          # some six minutes on an H100
    python -m benchmarks.gpu --device cpu --tiny --out gpu      # the same code, a minute, two cores
    python -m benchmarks.gpu --only machine,attention,encoders --out gpu

What is "wrong" fails the check; everything else is to be read. Shares of the peak are of the half
precision product measured here, on random data.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from . import (
    adapter,
    attention,
    budgets,
    embedding,
    encoders,
    epoch,
    floors,
    machine,
    memory,
    profile,
    training,
)
from .visit import Visit

SECTIONS: dict[str, Callable[[Visit], dict[str, Any]]] = {
    "machine": machine.measure,
    "attention": attention.check,
    "encoders": encoders.check,
    "adapter": adapter.check,
    "training": training.check,
    "memory": memory.check,
    "profile": profile.measure,
    "floors": floors.measure,
    "budgets": budgets.measure,
    "embedding": embedding.measure,
    "epoch": epoch.measure,
}
"""In order: what may not be missed comes first."""

LINES = ("peaks_tflops", "host_gb_per_s", "copies_gb_per_s", "test", "residencies", "repeated",
         "repeated_deterministic", "resumed", "syncs", "syncs_per_s", "ratios")  # fmt: skip
TABLES = ("table", "layer_ms", "graph", "encode", "training")


def main() -> None:
    """Run the sections; exit with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes for a laptop")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by commas")
    parser.add_argument("--seconds", type=float, default=420, help="no section begins after these")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="folder of check.json")
    options = parser.parse_args()
    device = torch.device(options.device)
    visit = Visit(device, options.tiny, options.out, time.perf_counter() + options.seconds)
    sys.exit(bool(run(visit, options.only.split(","))))


def run(visit: Visit, sections: list[str]) -> list[str]:
    """Run sections; return what is wrong."""
    os.environ.setdefault("SESSTORE_CACHE", tempfile.mkdtemp())
    # What deterministic algorithms ask of cuBLAS; read when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    problems: list[str] = []
    for name in sections:
        start = time.perf_counter()
        try:
            seconds_left = visit.seconds_left
            result = SECTIONS[name](visit) if seconds_left > 0 else {"skipped": "no time left"}
        except Exception:  # one section must not stop the others
            result = {"failed": traceback.format_exc().splitlines()[-12:]}
        result["section_seconds"] = round(time.perf_counter() - start, 1)
        visit.results[name] = result
        visit.save()
        section_problems = [*result.get("wrong", []), *result.get("failed", [])[-1:]]
        problems += section_problems
        print(f"{name}: {result['section_seconds']} s", flush=True)
        print(
            *(f"  WRONG {problem}" for problem in section_problems),
            sep="\n",
            end="\n" if section_problems else "",
        )
        if visit.gpu:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
    print(*_summary(visit.results), sep="\n")
    return problems


def _summary(results: dict[str, Any]) -> Iterator[str]:
    """Yield the figures one wants first, a row a line; the rest is in the file."""
    for name, result in results.items():
        for key in LINES:
            if key in result:
                yield f"{name} {key}: {_short(result[key])}"
        for key in TABLES:
            if isinstance(result.get(key), dict):
                yield from (f"{name} {row}: {_short(value)}" for row, value in result[key].items())


def _short(value: Any) -> str:
    """One line, three digits."""
    if isinstance(value, dict):
        return "  ".join(f"{key} {_short(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], str):
            return "\n    " + "\n    ".join(map(str, value))
        return str(value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
