"""Where the host waits, what runs on the device, and how busy that is."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.adapter.workers import workers
from sesstore.streaming.loader import Loader
from sesstore.training.arithmetic import reproducible
from sesstore.training.learner import Learner
from sesstore.training.stream import Stream

from ..epoch import LONG
from .adapter import ALPHABETS
from .proteins import draw_batch, random_esm2
from .tasks import write_task
from .visit import TEMPORARY, Visit
from .watch import profile_kernels, synchronisations


def measure(visit: Visit) -> dict[str, Any]:
    """Watch three batches of an encoder, then some steps of a training."""
    encoder = random_esm2(visit, "esm2_t6" if visit.tiny else "esm2_t33", "bf16")
    proteins = draw_batch(3 * encoder.budget - min(4096, encoder.budget))
    list(encoder.encode(proteins[:50]))
    with synchronisations(visit) as waits:
        list(encoder.encode(proteins))
    result: dict[str, Any] = {"syncs": {"encode, 3 batches": dict(waits.most_common(20))}}
    result["encode"] = profile_kernels(visit, lambda: list(encoder.encode(proteins)))
    encoder = None  # type: ignore[assignment]
    with tempfile.TemporaryDirectory(dir=TEMPORARY) as folder:
        result["training"], waits, steps = _training(visit, Path(folder))
    result["syncs"][f"training, {steps} steps"] = dict(waits.most_common(20))
    return result


def _training(visit: Visit, folder: Path) -> Any:
    task, store = write_task(folder / "store", *((60, 32) if visit.tiny else (200, 1280)))
    shape, config = AdapterConfig(store.embeddings().dim, 3), replace(LONG, residency="ram")
    stream = Stream(task, store.embeddings(), store.tokens("made"), config, ALPHABETS, visit.device)
    learner = Learner(task, shape, config, visit.device)
    batches = list(Loader(stream.data["train"], stream.plan(1).batches[:4], visit.device))

    def steps() -> None:
        with reproducible(visit.device), workers(visit.device) as pool:
            for number, batch in enumerate(batches):
                learner.step(batch, 1, number, len(batches), pool)

    steps()
    with synchronisations(visit) as waits:
        steps()
    return profile_kernels(visit, steps), waits, len(batches)
