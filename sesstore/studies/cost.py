"""What does it all cost, and after how many epochs has the cache paid for itself?

Each stage is timed on a sample on this machine and scaled to the task: tokenising on structure
files, embedding (with and without writing) on some batches of the task's proteins, epochs of
training by really training. With the PLM in the loop every epoch passes over train and valid, and
the test rows once; with the store, everything is encoded and written once.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..encoders import registry
from ..encoders.base import Encoder
from ..errors import WeightsError
from ..jobs.demo import demo_files
from ..jobs.embedding.embed import embed
from ..jobs.inputs import Inputs
from ..proteins import Protein
from ..store import Store
from ..structures.structure_files import models, structure_files
from ..structures.tokenise import tokenise_many
from .figures import cost_chart
from .study import Study
from .study_record import StudyReport
from .study_settings import Place, StudySettings

QUESTION = "What does each stage cost, and when has the cache paid for itself?"


@dataclass(frozen=True)
class Passes:
    """Seconds of the encoder, measured on a sample and scaled.

    Parameters
    ----------
    once : float
        To encode all of the task's proteins and write them, once.
    epoch : float
        To pass over train and valid, as every epoch would.
    last : float
        To pass over test, at the end.
    residues : int
        Measured.
    """

    once: float
    epoch: float
    last: float
    residues: int

    def pays_after(self) -> int:
        """Epochs after which the store was cheaper than the PLM in the loop."""
        return max(math.ceil((self.once - self.last) / self.epoch), 1)


def run(
    store: Store,
    settings: StudySettings,
    place: Place = Place(),  # noqa: B008 - frozen
    *,
    structures: Sequence[Path] = (),
    sample: int = 40,
) -> StudyReport:
    """Run the study.

    Parameters
    ----------
    store, settings, place
        See `StudySettings` and `Place`; of several sources the first is used.
    structures : sequence of path
        Structure files to time tokenising on; the bundled PDB chains by default.
    sample : int
        Proteins of the task to time embedding on.

    Returns
    -------
    StudyReport
        A row a stage: seconds for the whole task, rate, and what was measured.

    Raises
    ------
    InputError, StoppedError
        See `study.Study` and `arms.train_trial`.
    """
    options = {"structures": [str(path) for path in structures], "sample": sample}
    study = Study("cost", QUESTION, store, settings, place, options)
    source = study.source()
    inputs = study.inputs(source)
    residues = {name: _residues(inputs, name) for name in study.task.splits}
    _tokenising(study, structures, sum(residues.values()))
    passes = _embedding(study, inputs, residues, sample)
    epoch = _training(study, inputs, study.alphabets(source) if source else (), residues["train"])
    if passes is not None:
        _say(study, passes, epoch)
    columns = {
        "stage": "stage",
        "seconds": "seconds for the task",
        "rate": "residues/s",
        "measured": "residues measured",
    }
    return study.finish(columns, cost_chart)


def _tokenising(study: Study, structures: Sequence[Path], residues: int) -> None:
    files = structure_files(structures or [path for path, _ in demo_files().values()])
    structures_by_name = models(files)
    began = time.perf_counter()
    lengths = [
        len(chain.protein)
        for m in tokenise_many(structures_by_name, source="pdb")
        for chain in m.chains
    ]
    _add(study, "tokenising structures, once", time.perf_counter() - began, sum(lengths), residues)


def _embedding(
    study: Study, inputs: Inputs, residues: dict[str, int], sample: int
) -> Passes | None:
    provenance = inputs.embeddings.provenance
    try:
        encoder = registry.load_same(provenance.fingerprint, device=study.settings.fit.device)
    except WeightsError as problem:
        study.miss(f"embedding was not timed: {problem}")
        return None
    proteins = _sample(study, inputs, sample)
    count = sum(map(len, proteins))
    for _ in encoder.encode(proteins[:2]):  # reads the weights, which is not what is timed
        pass
    plain = _timed_pass(encoder, proteins)
    write_seconds = _timed_writing(encoder, proteins, provenance.dtype)
    total = sum(residues.values())
    _add(study, "embedding into the store, once", write_seconds, count, total)
    in_loop = sum(residues.get(name, 0) for name in ("train", "valid"))
    _add(study, "the PLM's pass, if in the loop, each epoch", plain, count, in_loop)
    rate = plain / count
    return Passes(
        write_seconds / count * total, rate * in_loop, rate * residues.get("test", 0), count
    )


def _training(study: Study, inputs: Inputs, alphabets: Sequence[str], residues: int) -> float:
    """Train adapters without and with structure, each alone; return seconds of the latter."""
    seconds = 0.0
    for name, kinds in {"none": (), "+".join(alphabets): tuple(alphabets)}.items():
        if not name:
            continue
        stage = f"an epoch from the store, structure {name}"
        trained = study.train(name, inputs, [study.arm(name, kinds)])[name]
        # The seeds share a stream: an epoch's time is that of all of them.
        seconds = statistics.fmean(r.timings["seconds_per_epoch"] for r in trained) / len(trained)
        epochs = trained[0].history[-1]["epoch"]
        _add(study, stage, seconds, residues, residues)["measured"] = residues * epochs
    return seconds


def _add(study: Study, stage: str, seconds: float, measured: int, total: int) -> dict[str, Any]:
    row = {
        "stage": stage,
        "seconds": seconds / measured * total,
        "rate": measured / seconds,
        "measured": measured,
    }
    study.report.rows.append(row)
    return row


def _say(study: Study, passes: Passes, epoch: float) -> None:
    payoff = passes.pays_after()
    study.report.rows[-1]["epoch"] = {"store": epoch, "loop": epoch + passes.epoch}
    study.report.rows[-1]["start"] = {"store": passes.once, "loop": passes.last}
    study.find(
        f"The cache has paid for itself after {payoff} epoch{'s' if payoff > 1 else ''}: encoding "
        f"and writing takes {passes.once:.1f} s once, the PLM in the loop {passes.epoch:.1f} s "
        f"every epoch (measured on {passes.residues:,} residues)"
    )
    epochs, seeds = study.settings.fit.pace.epochs, study.settings.seeds
    with_store = passes.once + epochs * seeds * epoch
    in_loop = passes.last * seeds + epochs * seeds * (epoch + passes.epoch)
    study.find(
        f"{seeds} adapters of {epochs} epochs: {with_store:.0f} s with the store, {in_loop:.0f} s "
        f"with the PLM in the loop, {in_loop / with_store:.1f} times as long"
    )


def _timed_pass(encoder: Encoder, proteins: list[Protein]) -> float:
    began = time.perf_counter()
    for _ in encoder.encode(proteins):
        pass
    return time.perf_counter() - began


def _timed_writing(encoder: Encoder, proteins: list[Protein], dtype: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "store")
        began = time.perf_counter()
        embed(store, encoder, proteins, dtype=dtype)
        return time.perf_counter() - began


def _sample(study: Study, inputs: Inputs, count: int) -> list[Protein]:
    digests = np.unique(inputs.task.split("train").digests, axis=0)
    sample = np.random.default_rng(0).permutation(len(digests))[:count]
    return list(study.store.proteins([digests[i].tobytes() for i in sample]))


def _residues(inputs: Inputs, split: str) -> int:
    view = inputs.embeddings
    return int(view.lengths[view.find(inputs.task.split(split).digests)].sum())
