"""An epoch of the adapter from device, memory and disk, against the PLM in the loop."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.adapter.workers import workers
from sesstore.encoders import registry
from sesstore.store import Store
from sesstore.streaming.loader import Loader
from sesstore.tasks import Task
from sesstore.training.arithmetic import reproducible
from sesstore.training.learner import Learner
from sesstore.training.stream import Stream

from ..clock import wall
from ..epoch import LONG, fill
from ..rivals import PaddedTraining, padded_batches, plm_step
from .adapter import ALPHABETS
from .embedding import transformers_model
from .proteins import draw_lengths
from .visit import TEMPORARY, Visit
from .watch import synchronisations

SIZES = {"esm2_t33": 250_000, "esm2_t12": 400_000, "esm2_t30": 300_000, "esm2_t36": 150_000}


def measure(visit: Visit) -> dict[str, Any]:
    """Measure model after model while there is time."""
    table: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    syncs: dict[str, float] = {}
    for name, residues in {"esm2_t6": 500}.items() if visit.tiny else SIZES.items():
        if visit.seconds_left < 30 and not visit.tiny:
            break
        lengths = draw_lengths(residues, longest=2100)
        table[name] = row = _model_row(visit, registry.spec(name), lengths)
        best = max(row[k]["residues_per_s"] for k in ("device", "ram", "disk") if k in row)
        for rival in ("plm bf16", "plm fp32"):
            if rival in row:
                ratios[f"{name} epoch x {rival}"] = best / row[rival]
        syncs[name] = row["ram"]["syncs_per_s"]
        visit.results["epoch"] = {"table": table, "ratios": ratios, "syncs_per_s": syncs}
        visit.save()
    return {"table": table, "ratios": ratios, "syncs_per_s": syncs}


def _model_row(visit: Visit, spec: Any, lengths: list[int]) -> dict[str, Any]:
    random = np.random.default_rng(1)
    base = random.standard_normal((max(lengths), spec.dim)).astype(np.float16)
    codes = [
        (random.integers(0, 20, n).astype(np.uint8), random.integers(0, 8, n).astype(np.uint8))
        for n in lengths
    ]
    with tempfile.TemporaryDirectory(dir=TEMPORARY) as folder:
        path = Path(folder) / "store"
        task = fill(path, spec.dim, [base[:n] for n in lengths], codes)
        residencies = ("device", "ram", "disk") if visit.gpu else ("ram", "disk")
        row = {r: _epoch(visit, path, task, spec.dim, lengths, r) for r in residencies}
    return row | _plm_in_the_loop(visit, spec, lengths, codes, task)


def _epoch(
    visit: Visit, path: Path, task: Task, dim: int, lengths: list[int], residency: str
) -> dict[str, float]:
    """Figures of some epochs, as `train` runs them; their synchronisations in as many more.

    The data are small: the batches of several epochs follow each other, so that beginning an epoch
    counts as little as it does with more data.
    """
    store, config = Store.open(path), replace(LONG, residency=residency)
    learner = Learner(task, AdapterConfig(dim, 2), config, visit.device)
    stream = Stream(task, store.embeddings(), store.tokens("made"), config, ALPHABETS, visit.device)
    epochs, wait_seconds = 1 if visit.tiny else 4, 0.0
    batches = [rows for epoch in range(epochs) for rows in stream.plan(epoch).batches]

    def train() -> None:
        nonlocal wait_seconds
        loader = Loader(stream.data["train"], batches, visit.device)
        with reproducible(visit.device), workers(visit.device) as pool:
            for number, batch in enumerate(loader):
                learner.step(batch, 1, number, len(batches), pool)
        wait_seconds = loader.wait_seconds

    train()
    seconds = wall(train, visit.device)
    flops = epochs * learner.adapter.training_flops(lengths)
    row = {
        "residues_per_s": epochs * sum(lengths) / seconds,
        "step_ms": seconds / len(batches) * 1e3,
        "share_of_peak": flops / seconds / visit.peak,
        "waited_share": wait_seconds / seconds,
    }
    with synchronisations(visit) as waits:
        train()
    return row | {"syncs_per_s": waits.total() / seconds}


def _plm_in_the_loop(
    visit: Visit, spec: Any, lengths: list[int], codes: list[Any], task: Task
) -> dict[str, float]:
    """Residues a second of the frozen PLM and a padded adapter, both in each step."""
    device, row = visit.device, {}
    batches = list(padded_batches(lengths))[: 2 if visit.tiny else 8]
    model = transformers_model(visit, spec)
    with device:  # the rivals make their tensors where they are told to by default
        labels = torch.tensor(task.splits["train"].labels)
        for name, dtype in (("plm fp32", torch.float32), ("plm bf16", torch.bfloat16)):
            if dtype == torch.bfloat16 and not visit.gpu:
                continue
            rival = PaddedTraining(spec.dim, codes, labels, device)
            model.to(dtype)
            subset = batches if dtype == torch.bfloat16 else batches[: max(len(batches) // 3, 1)]

            def steps(rival: Any = rival, dtype: Any = dtype, subset: Any = subset) -> None:
                with rival.computing_in(dtype):
                    for batch in subset:
                        plm_step(model, rival, batch, lengths)

            try:
                steps()  # kernels are loaded for each new shape
                residues = sum(lengths[i] for batch in subset for i in batch)
                row[name] = residues / wall(steps, device)
            except Exception as reason:
                print(f"{name} {spec.name}: {type(reason).__name__}: {str(reason)[:300]}")
    return row
