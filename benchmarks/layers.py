"""What do more layers, or fewer, cost? One pass for all of them, and a forward that ends early.

Random ESM-2 weights of the true size and drawn proteins. Every round takes each way once, and on a
CPU the process's own time is counted, so that what else the machine does matters little; the ratios
are of the medians.

- *last*: ``encode``, the last layer alone.
- *all*: ``encode``, every layer out of one pass. Writing them comes on top and is that of the bytes
  (`benchmarks.writing`).
- *half*: ``encode``, the layer at half the depth, for which half of the layers run.

::

    python -m benchmarks.layers --json
    python -m benchmarks.layers --layers 6 --rounds 2 --proteins 8     # a quick look
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clock import wall
from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.proteins import Protein

_LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


def measure(layers: int, rounds: int, proteins: int, device: str = "cpu") -> dict[str, Any]:
    """Return machine, table and ratios of one run.

    Parameters
    ----------
    layers : int
        Which size of ESM-2.
    rounds : int
        How often each way is timed.
    proteins : int
        How many are encoded, about 350 residues long.
    device : str
    """
    spec = registry.spec(f"esm2_t{layers}")
    sample = _draw(proteins)
    layer_choices = {"last": "last", "all": "all", "half": str(layers // 2)}
    seconds: dict[str, list[float]] = {name: [] for name in layer_choices}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / spec.files[0]
        write_random_esm2(path, layers=spec.layers, dim=spec.dim, heads=spec.heads)
        encoders = {
            name: registry.load(spec.name, weights=path, device=device, layers=layers_kept)
            for name, layers_kept in layer_choices.items()
        }
        for encoder in encoders.values():  # reads the weights
            list(encoder.encode(sample[:1]))
        for _ in range(rounds):
            for name, encoder in encoders.items():
                seconds[name].append(_seconds(encoder, sample, torch.device(device)))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "machine": {"threads": torch.get_num_threads(), "device": device},
        "table": {
            "encoder": spec.full_name,
            "residues": sum(map(len, sample)),
            "seconds": seconds,
        },
        "ratios": {
            f"embed_t{layers}_all_vs_last": median["all"] / median["last"],
            f"embed_t{layers}_half_vs_last": median["half"] / median["last"],
        },
    }


def _seconds(encoder: Any, sample: list[Protein], device: torch.device) -> float:
    def run() -> None:
        for _ in encoder.encode(sample):
            pass

    if device.type != "cpu":
        return wall(run, device)
    start = time.process_time()
    run()
    return time.process_time() - start


def _draw(count: int) -> list[Protein]:
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.normal(5.8, 0.4, count)).clip(40, 1022).astype(int)
    return [Protein(f"p{i}", "".join(rng.choice(_LETTERS, n))) for i, n in enumerate(lengths)]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--proteins", type=int, default=24)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.layers, options.rounds, options.proteins, options.device)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures["ratios"].items():
        print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
