"""Batches are halved where the GPU's memory runs out, and the values are the same."""

from __future__ import annotations

from typing import Any

import torch

from .encoders import encode, worst_error
from .proteins import draw_lengths, draw_proteins, random_esm2
from .visit import Visit


def check(visit: Visit) -> dict[str, Any]:
    """Encode, forbid most of the memory, encode again; then see that the peak is flat."""
    if not visit.gpu:
        return {"skipped": "needs a GPU"}
    encoder = random_esm2(visit, "esm2_t33", "bf16", layers=4)
    proteins = draw_proteins(draw_lengths(60_000))
    reference = encode(encoder, proteins)
    budget = encoder.budget
    torch.cuda.empty_cache()
    card_bytes = torch.cuda.mem_get_info()[1]
    share = (torch.cuda.memory_reserved() + (500 << 20)) / card_bytes
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        values = encode(encoder, proteins)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    result: dict[str, Any] = {
        "budgets": [budget, encoder.budget],
        "failures": len(encoder.failures),
        "error": worst_error(values, {digest: reference[digest] for digest in values}),
        "peak_gb": _peaks(visit),
    }
    wrong = [] if len(values) == len(reference) and result["error"] < 2e-2 else [str(result)]
    if encoder.budget >= budget:
        wrong.append("memory never ran out: nothing was tried")
    small_peak, large_peak = result["peak_gb"]
    if large_peak > 1.1 * small_peak:
        wrong.append(f"the peak grows with the number of proteins: {result['peak_gb']}")
    return {"wrong": wrong, **result}


def _peaks(visit: Visit) -> list[float]:
    """Peak memory at two full batches and at eight, GB."""
    peaks = []
    for batches in (2, 8):
        encoder = random_esm2(visit, "esm2_t33", "bf16", layers=4)
        torch.cuda.reset_peak_memory_stats()
        for _ in encoder.encode(draw_proteins(draw_lengths(batches * encoder.budget))):
            pass
        peaks.append(torch.cuda.max_memory_allocated() / 1e9)
    return peaks
