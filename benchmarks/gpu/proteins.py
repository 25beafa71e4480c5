"""Proteins of real lengths with random letters, and encoders with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sesstore.encoders import esm, registry
from sesstore.encoders.checkpoints import Checkpoint
from sesstore.encoders.devices import PRECISIONS
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint

from .visit import Visit

QUANTILES = (
    55, 63, 69, 80, 88, 99, 110, 127, 139, 153, 168, 181, 193, 204, 216, 225, 238, 249, 257, 270,
    278, 291, 303, 317, 332, 343, 352, 364, 375, 386, 399, 412, 423, 434, 448, 459, 466, 476, 487,
    499, 513, 525, 542, 557, 576, 591, 611, 624, 648, 670, 689, 722, 758, 801, 841, 888, 940, 977,
    1055, 1118, 1216, 1375, 1604, 2009,
)  # fmt: skip
"""Lengths of DeepLoc's 2,737 proteins, every 64th part."""


def draw_lengths(residues: int, longest: int = 1022, seed: int = 0) -> list[int]:
    """Draw lengths of real proteins that make so many residues."""
    random = np.random.default_rng(seed)
    longest = min(longest, max(residues // 3, 60))
    real = np.array([length for length in QUANTILES if length <= longest])
    count = residues // 50 + 8
    sizes = (random.choice(real, count) * random.uniform(0.95, 1.05, count)).astype(int)
    sizes = sizes.clip(1, longest)
    return [int(n) for n in sizes[: max(int(np.searchsorted(np.cumsum(sizes), residues)), 2)]]


def draw_proteins(lengths: Sequence[int], seed: int = 0) -> list[Protein]:
    """Draw proteins of these lengths."""
    letters = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", np.uint8)
    random = np.random.default_rng(seed)
    return [
        Protein(f"p{i}", letters[random.integers(0, 20, length)].tobytes().decode())
        for i, length in enumerate(lengths)
    ]


def draw_batch(budget: int) -> list[Protein]:
    """Draw a batch of so many rows, BOS and EOS included, longest protein first."""
    lengths = draw_lengths(budget)
    while sum(lengths) + 2 * len(lengths) > budget:
        lengths.pop()
    return draw_proteins(sorted(lengths, reverse=True))


def random_esm2(visit: Visit, name: str, precision: str, **shape: int) -> esm.Esm:
    """Return an ESM-2 on the device with random weights that never were in a file."""
    if visit.tiny:
        shape = {"layers": 1, **shape}
    if not visit.gpu:  # half precision may be emulated there
        precision = "fp32"
    spec = replace(registry.spec(name), **shape)  # type: ignore[arg-type]
    state = _random_state(spec, visit.device, PRECISIONS[precision])

    class RandomEsm(esm.Esm):
        def build(self) -> Any:
            weights = esm._Weights(Checkpoint(state), self.device, self.dtype)
            return esm._Trunk(weights, self.spec, self.depth)

    identity = Fingerprint(
        f"random_{name}", "0" * 64, spec.layers, "esm1b, J->X", "windows(1022,256)", precision
    )
    encoder = RandomEsm(spec, (identity,), visit.device, Path("none"), "windows")
    if visit.tiny:
        encoder.budget = 256
    return encoder


def _random_state(spec: Any, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    random, d = torch.Generator(device).manual_seed(0), spec.dim

    def normal(*size: int, spread: float = 0.02) -> Tensor:
        return torch.randn(size, generator=random, device=device, dtype=dtype) * spread

    state = {"embed_tokens.weight": normal(33, d, spread=1.0)}
    for layer in range(spec.layers):
        prefix = f"layers.{layer}."
        shapes = {f"self_attn.{p}_proj": (d, d) for p in ("q", "k", "v", "out")}
        for part, (rows, columns) in {**shapes, "fc1": (4 * d, d), "fc2": (d, 4 * d)}.items():
            spread = (2 / (rows + columns)) ** 0.5
            state[f"{prefix}{part}.weight"] = normal(rows, columns, spread=spread)
            state[f"{prefix}{part}.bias"] = normal(rows)
        for part in ("self_attn_layer_norm", "final_layer_norm"):
            state |= {f"{prefix}{part}.weight": 1 + normal(d), f"{prefix}{part}.bias": normal(d)}
    return state | {
        "emb_layer_norm_after.weight": 1 + normal(d),
        "emb_layer_norm_after.bias": normal(d),
    }
