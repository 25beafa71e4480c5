"""Residues a second of ESM-2: forward, encode, into a store; against transformers."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sesstore.jobs.embedding.embed import embed
from sesstore.proteins import Protein
from sesstore.store import Store

from ..clock import clock, wall
from .proteins import draw_batch, draw_lengths, draw_proteins, random_esm2
from .visit import TEMPORARY, Visit

SIZES = {"esm2_t33": 1_000_000, "esm2_t36": 350_000, "esm2_t12": 2_500_000, "esm2_t30": 1_800_000}
"""Residues of each model that take about as long."""


def measure(visit: Visit) -> dict[str, Any]:
    """Measure model after model while there is time."""
    table: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    for name, residues in {"esm2_t6": 1_000}.items() if visit.tiny else SIZES.items():
        if visit.seconds_left < 60 and not visit.tiny:
            break
        table[name] = row = _row(visit, name, residues)
        speed = {k: v["residues_per_s"] for k, v in row.items() if isinstance(v, dict)}
        for rival in [k for k in speed if k.startswith("transformers")]:
            ratios[f"{name} encode x {rival}"] = speed["encode"] / speed[rival]
        ratios[f"{name} store / encode"] = speed["into memory"] / speed["encode"]
        ratios[f"{name} forward share of peak"] = row["forward bf16"]["share_of_peak"]
        ratios[f"{name} encode share of peak"] = row["encode"]["share_of_peak"]
        visit.results["embedding"] = {"table": table, "ratios": ratios}
        visit.save()
    return {"table": table, "ratios": ratios}


def _row(visit: Visit, name: str, residues: int) -> dict[str, Any]:
    proteins = draw_proteins(draw_lengths(residues))
    row: dict[str, Any] = {"proteins": len(proteins), "residues": sum(map(len, proteins))}
    encoder: Any = None
    for precision in ("bf16", "fp16") if visit.gpu else ("bf16",):
        encoder = None  # the one before makes room
        encoder = random_esm2(visit, name, precision)
        batch = draw_batch(encoder.budget)
        sequences = [p.sequence for p in batch]
        with torch.inference_mode():
            seconds = clock(lambda e=encoder, s=sequences: e.forward(s), visit.device, seconds=0.8)  # type: ignore[misc]
        row[f"forward {precision}"] = rates(visit, encoder, batch, seconds)
    list(encoder.encode(proteins[: len(proteins) // 8]))  # pinned memory, allocator
    seconds = wall(lambda: [None for _ in encoder.encode(proteins)], visit.device)
    row["encode"] = rates(visit, encoder, proteins, seconds)
    for label, place in (("into memory", TEMPORARY), ("onto disk", Path(tempfile.gettempdir()))):
        row[label] = _into_store(visit, encoder, proteins, place)
    spec = encoder.spec
    encoder = None
    if visit.gpu:
        torch.cuda.empty_cache()
    return row | _rivals(visit, spec)


def _into_store(visit: Visit, encoder: Any, proteins: list[Protein], place: Path) -> dict[str, Any]:
    residues = sum(map(len, proteins))
    if shutil.disk_usage(place).free < 4 * residues * encoder.dim:
        return {"residues_per_s": float("nan"), "why": f"no room in {place}"}
    with tempfile.TemporaryDirectory(dir=place) as folder:
        store = Store.create(Path(folder) / "store")
        seconds = wall(lambda: embed(store, encoder, proteins), visit.device)
    return rates(visit, encoder, proteins, seconds)


def rates(visit: Visit, encoder: Any, proteins: list[Protein], seconds: float) -> dict[str, float]:
    """Return what an encoder did in these seconds, a second and as a share of the peak."""
    flops, residues = sum(encoder.flops(len(p)) for p in proteins), sum(map(len, proteins))
    return {
        "residues_per_s": residues / seconds,
        "share_of_peak": flops / seconds / visit.peak,
        "gb_per_s": residues / seconds * encoder.dim * 2 / 1e9,
        "seconds": seconds,
    }


def _rivals(visit: Visit, spec: Any) -> dict[str, Any]:
    """Residues a second of transformers, as people run it and at its best."""
    sample = draw_proteins(draw_lengths(500 if visit.tiny else 120_000, seed=1))
    mixed = [sample[i] for i in np.random.default_rng(1).permutation(len(sample))]
    rivals = {"transformers fp32, 8 padded": (torch.float32, _eights(mixed[: len(mixed) // 4]))}
    if visit.gpu:
        rivals |= {
            "transformers bf16, 8 padded": (torch.bfloat16, _eights(mixed)),
            "transformers bf16, by length": (torch.bfloat16, _by_length(sample, 16384)),
        }
    row: dict[str, Any] = {}
    model: Any = None
    for label, (dtype, batches) in rivals.items():
        try:
            model = transformers_model(visit, spec) if model is None else model
            model.to(dtype)
            seconds = _padded_seconds(visit, model, batches)
        except Exception as reason:
            row[label] = {"residues_per_s": float("nan"), "why": str(reason)[:200]}
            continue
        row[label] = {"residues_per_s": sum(len(p) for b in batches for p in b) / seconds}
    return row


def transformers_model(visit: Visit, spec: Any) -> Any:
    """Return an ESM-2 of that shape as transformers runs it, on the device."""
    from transformers import EsmConfig, EsmModel

    config = EsmConfig(
        vocab_size=33, hidden_size=spec.dim, num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads, intermediate_size=4 * spec.dim, mask_token_id=32,
        pad_token_id=1, max_position_embeddings=4098, position_embedding_type="rotary",
        token_dropout=True, emb_layer_norm_before=False,
    )  # fmt: skip
    with visit.device:
        return EsmModel(config, add_pooling_layer=False).eval()


def _eights(proteins: list[Protein]) -> list[list[Protein]]:
    return [proteins[i : i + 8] for i in range(0, len(proteins), 8)]


def _by_length(proteins: list[Protein], tokens: int) -> list[list[Protein]]:
    batches: list[list[Protein]] = [[]]
    for protein in sorted(proteins, key=len):
        if batches[-1] and (len(protein) + 2) * (len(batches[-1]) + 1) > tokens:
            batches.append([])
        batches[-1].append(protein)
    return batches


def _padded_seconds(visit: Visit, model: Any, batches: list[list[Protein]]) -> float:
    def run(part: list[list[Protein]]) -> None:
        with torch.inference_mode():
            for batch in part:
                tokens = torch.ones(len(batch), max(map(len, batch)) + 2, dtype=torch.long)
                for row, protein in zip(tokens, batch, strict=True):
                    row[: len(protein) + 2] = 5
                tokens = tokens.to(visit.device)
                model(tokens, (tokens != 1).long()).last_hidden_state.cpu()

    run(batches if visit.gpu else batches[-2:])  # kernels are loaded for each new shape
    return wall(lambda: run(batches), visit.device)
