"""Whole trainings: CPU against device, residencies, repetition, interruption."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import StoppedError
from sesstore.training.checkpoint import load_adapter
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig

from ..differences import relative_error
from .tasks import write_task
from .visit import TEMPORARY, Visit


def check(visit: Visit) -> dict[str, Any]:
    """Train the same adapter in every way that should give the same weights."""
    residencies = ("device", "ram", "disk") if visit.gpu else ("ram", "disk")
    with tempfile.TemporaryDirectory(dir=TEMPORARY) as folder:
        trainings = _Trainings(visit, Path(folder))
        runs = {"cpu": trainings.run("cpu", "ram")}
        runs |= {r: trainings.run(str(visit.device), r) for r in residencies}
        first = runs[residencies[0]]
        result: dict[str, Any] = {
            "losses": {name: [e["loss"] for e in run.history] for name, run in runs.items()},
            "test": {name: run.metrics["test"] for name, run in runs.items()},
            "residencies": {r: _difference(first, runs[r]) for r in residencies},
            "repeated": _difference(first, trainings.run(str(visit.device), residencies[0])),
            "resumed": _difference(first, trainings.run_resumed(residencies[0])),
        }
    accuracy = {name: scores["accuracy"] for name, scores in result["test"].items()}
    wrong = [
        f"{name}: not the same weights: {result[name]}"
        for name in ("repeated", "resumed")
        if not result[name][0]
    ]
    if min(accuracy.values()) < max(accuracy.values()) - 0.1:
        wrong.append(f"test accuracy differs: {accuracy}")
    return {"wrong": wrong, **result}


class _Trainings:
    """Trainings of one task, each in a folder of its own."""

    def __init__(self, visit: Visit, folder: Path) -> None:
        size = (60, 32) if visit.tiny else (240, 128)
        self.visit, self.folder, self.numbers = visit, folder, count()
        self.task, self.store = write_task(folder / "store", *size)
        self.shape = AdapterConfig(size[1], 3, heads=4, modality_dropout=0.2)
        self.config = FitConfig(epochs=6, patience=6, batch_tokens=3000, lr=2e-3)

    def run(self, device: str, residency: str, out: Path | None = None, **options: Any) -> Any:
        """Train once."""
        config = replace(self.config, device=device, residency=residency)
        out = out or self.folder / f"run{next(self.numbers)}"
        embeddings, tokens = self.store.embeddings(), self.store.tokens("made")
        return fit(self.task, embeddings, tokens, self.shape, config, out, **options)

    def run_resumed(self, residency: str) -> Any:
        """Train until a stop, then go on."""
        answers = iter([False, False, False, True])
        out, device = self.folder / "stopped", str(self.visit.device)
        try:
            self.run(device, residency, out, stop=lambda: next(answers, False))
        except StoppedError:
            return self.run(device, residency, out, resume=True)
        raise AssertionError("a training that was asked to stop went on")


def _difference(run: Any, repeat: Any) -> tuple[bool, float]:
    """Whether weights are the same bits, and the largest relative error of a tensor."""
    a, b = (dict(load_adapter(x).state_dict()) for x in (run, repeat))
    errors = [relative_error(a[name], b[name]) for name in a]
    return all(torch.equal(a[name], b[name]) for name in a), max(errors)
