"""Share of the peak by residues a batch: large ones fill the card, small ones stay in its cache."""

from __future__ import annotations

from typing import Any

import torch

from ..clock import clock
from .embedding import rates
from .proteins import draw_batch, random_esm2
from .visit import Visit

BUDGETS = (8192, 16384, 32768, 65536, 131072)


def measure(visit: Visit) -> dict[str, Any]:
    """Measure the forward of ESM-2 t33 and t12 at each budget."""
    models = ("esm2_t6",) if visit.tiny else ("esm2_t33", "esm2_t12")
    return {"table": {name: _row(visit, name) for name in models}}


def _row(visit: Visit, name: str) -> dict[str, float]:
    encoder = random_esm2(visit, name, "fp16" if visit.gpu else "bf16")
    row = {}
    for budget in (256, 512) if visit.tiny else BUDGETS:
        proteins = draw_batch(budget)
        sequences = [p.sequence for p in proteins]
        with torch.inference_mode():
            seconds = clock(lambda s=sequences: encoder.forward(s), visit.device, seconds=0.3)  # type: ignore[misc]
        row[f"{budget}"] = rates(visit, encoder, proteins, seconds)["share_of_peak"]
    return row
