"""Train on a task of a store, by any number of seeds: what is not embedded yet is embedded first.

Training itself never starts an encoder (`sesstore.training`); this job makes ready what it needs,
and says so.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...adapter.adapter_config import AdapterConfig
from ...encoders import registry
from ...encoders.base import Encoder
from ...errors import InputError
from ...progress import SILENT, Progress
from ...provenance import moment
from ...store import Embeddings, Store
from ...streaming.composition import StoredCompositions
from ...tasks import Problem, Task
from ...training.applicability import training_set
from ...training.cautions import common_cautions
from ...training.evaluate import load_predictions
from ...training.fit import Member, fit_many
from ...training.fit_config import FitConfig
from ...training.intervals import Predicted, bootstrap, intervals
from ...training.learner import with_seeds
from ...training.ranks import ranks, started_by_torchrun
from ...training.runs import Caution, Run, reported_split
from ...training.seeds import deviation
from ...training.tracking import tracker
from ..embedding.embed import embed
from ..inputs import (
    Inputs,
    check_folder,
    chosen_encoder,
    chosen_structure,
    names_settings,
    task_proteins,
)
from ..signals import saying_how_to_resume, stop_requests
from .plm_cost import PlmCost


@dataclass
class TrainReport:
    """What training did; the keys of ``train --json``.

    Parameters
    ----------
    run : str
        Folder of the run; with several seeds the folder that holds theirs.
    task : str
    epochs : int
        Trained by the longest seed.
    seconds_per_epoch : float
        Of all seeds together, which learn from one stream.
    coverage : dict
        Of each split.
    metrics : dict of str to dict
        For each split the mean of each metric over seeds.
    monitor : str
        The metric that chose the epoch.
    split : str
        The rows that are reported: test, valid if there is no test, or all folds.
    std : dict, optional
        With several seeds: standard deviation of each metric.
    interval : list of float
        95 % interval of the mean monitor on test (valid, if there is no test), over proteins and
        seeds, see `training.intervals`.
    intervals : dict of str to (float, float)
        The same of every metric.
    runs : list of str
        Folder of each seed.
    plm_in_the_loop : PlmCost, optional
        See `plmcost.measure_plm`.
    cautions : tuple of Caution
        What is off, and what to do.
    folds : dict of str to list of float
        Of a cross-validation: each metric on each fold, mean over seeds. Else empty.
    """

    run: str
    task: str
    epochs: int
    seconds_per_epoch: float
    coverage: dict[str, Any]
    metrics: dict[str, dict[str, float]]
    monitor: str
    split: str
    std: dict[str, dict[str, float]] = field(default_factory=dict)
    interval: list[float] = field(default_factory=list)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    plm_in_the_loop: PlmCost | None = None
    cautions: tuple[Caution, ...] = ()
    folds: dict[str, list[float | None]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def prepare(
    store: Store,
    task_name: str,
    *,
    plm: str | None = None,
    weights: Path | None = None,
    precision: str | None = None,
    alphabets: Sequence[str] | None = (),
    source: str | None = None,
    device: str | None = None,
    progress: Progress = SILENT,
) -> Inputs:
    """Make ready what a task trains on: embed what is missing, open embeddings and tokens.

    Parameters
    ----------
    store : Store
    task_name : str
        A task of the store.
    plm, weights : str, path, optional
        The encoder, see `inputs.chosen_encoder`; the store's only one by default.
    precision : str, optional
        Its arithmetic, which tells encoders of one name apart; `plm` is named, too.
    alphabets : sequence of str or None
        Structure tokens wanted; None for those there are, see `inputs.chosen_structure`.
    source : str, optional
        Of the structures; the one the task remembers or the store's only one by default.

    Returns
    -------
    Inputs
        Its `alphabets` are those to train on.

    Raises
    ------
    UnknownNameError
        There is no such task, encoder or alphabet.
    InputError
        There is a choice of encoders or sources and none was named.
    """
    task = store.task(task_name)
    structure = chosen_structure(store, task, alphabets, source, progress)
    tokens = store.tokens(structure.source) if structure.source else None
    chosen = None if names_settings(plm, weights, precision) else chosen_encoder(store, plm)
    load: Callable[..., Encoder]
    if chosen is None:
        load = partial(registry.load, str(plm), weights=weights, device=device, precision=precision)
    else:
        load = partial(registry.load_same, chosen.fingerprint, weights=weights, device=device)
    if chosen is None or weights is not None:
        encoder = load()
        fingerprint = encoder.fingerprint
    else:  # a store that has all needs no weights
        encoder, fingerprint = None, chosen.fingerprint
    digests = np.concatenate([split.digests for split in task.splits.values()])
    if not store.has_embeddings(fingerprint, digests).all():
        if started_by_torchrun():
            raise InputError(
                f"proteins of '{task_name}' are not embedded yet, and several processes would all "
                f"do it. Run `sesstore embed {task_name}` first"
            )
        encoder = encoder or load()
        fingerprint.check_same(encoder.fingerprint)
        embed_missing(store, task, encoder, load, progress)
    view = store.embeddings(fingerprint)
    return Inputs(task, view, tokens, structure.alphabets, StoredCompositions(store))


def embed_missing(
    store: Store,
    task: Task,
    encoder: Encoder,
    make_encoder: Callable[..., Encoder],
    progress: Progress = SILENT,
) -> None:
    """Embed what a store lacks of a task, in the type it has others by this encoder in.

    Parameters
    ----------
    store, task
    encoder : Encoder
    make_encoder : callable
        Makes the like of it, in a ``precision``.
    progress : Progress

    Raises
    ------
    InputError
        Some could not be; names them.
    """
    progress.note(f"embedding what is missing with {encoder.name} first")
    stored = store.provenance_of(encoder.fingerprint)
    report = embed(
        store,
        encoder,
        task_proteins(store, task),
        dtype="float16" if stored is None else stored.dtype,
        make_reference=partial(make_encoder, precision="fp32"),
        progress=progress,
    )
    if report.failed:
        raise InputError(f"{len(report.failed)} proteins could not be embedded: {report.failed}")


def train(
    inputs: Inputs,
    adapter: Mapping[str, Any],
    config: FitConfig,
    *,
    seeds: int = 1,
    out: Path | None = None,
    resume: bool = False,
    track: str | None = None,
    progress: Progress = SILENT,
) -> TrainReport:
    """Train by one seed or several.

    Parameters
    ----------
    inputs : Inputs
        From `prepare`.
    adapter : dict
        Settings of `AdapterConfig` beside ``dim`` and ``n_outputs``, which the data decide, as they
        do a pooling that is None.
    config : FitConfig
        Its seed is the first.
    seeds : int
        How many; all train on one stream of batches, each read once.
    out : path, optional
        Folder for the run; ``runs/<task>/<what>-<when>`` by default.
    resume : bool
        Go on with an interrupted training in `out`.
    track : str, optional
        Experiment tracker to send each epoch's figures to, see `tracking.TRACKERS`.

    Raises
    ------
    StoppedError
        A signal came; progress is saved in the run's folder.
    """
    task = inputs.task
    shape = adapter_shape(inputs, adapter)
    with ranks(config.device) as group, stop_requests() as stop:
        folder = group.same(out or default_folder(inputs, shape))
        check_folder(folder, resume=resume)
        members = seed_members(shape, config, seeds, folder)
        with (
            saying_how_to_resume(folder),
            tracker(track if group.rank == 0 else None, task.name, folder / "tracked") as to,
        ):
            runs = fit_many(
                task,
                inputs.embeddings,
                inputs.tokens if shape.alphabets else None,
                members,
                folder,
                resume=resume,
                compositions=inputs.compositions,
                stop=lambda: bool(stop),
                progress=progress,
                ranks=group,
                tracker=to,
            )
        report = None
        if group.rank == 0:
            keep_training_set(folder, task, inputs.embeddings)
            report = summary(folder, runs)
        return cast(TrainReport, group.same(report))


def keep_training_set(folder: Path, task: Task, embeddings: Embeddings) -> None:
    """Keep the means of the training proteins, so that `predict` can tell how far a protein is."""
    training = training_set(embeddings, task.splits["train"].digests)
    if training is not None:
        training.save(folder)


def seed_members(shape: AdapterConfig, config: FitConfig, seeds: int, folder: Path) -> list[Member]:
    """One adapter a seed, in a folder, or in one each below it."""
    return [
        Member(shape, seed_config, folder if seeds == 1 else folder / f"seed-{seed_config.seed}")
        for seed_config in with_seeds(config, seeds)
    ]


def adapter_shape(inputs: Inputs, settings: Mapping[str, Any]) -> AdapterConfig:
    """Complete an adapter's settings by what the data decide: widths, and a pooling not named."""
    task, shape = inputs.task, dict(settings)
    if shape.get("pooling") is None:
        shape["pooling"] = "residue" if task.problem.per_residue else "attention1d"
    return AdapterConfig(dim=inputs.embeddings.dim, n_outputs=task.n_outputs, **shape)


def summary(folder: Path, runs: Sequence[Run]) -> TrainReport:
    """Mean, deviation and interval of the runs of several seeds."""
    first = runs[0]
    report = TrainReport(
        run=str(folder),
        task=first.task["name"],
        epochs=max(run.history[-1]["epoch"] for run in runs),
        seconds_per_epoch=statistics.fmean(run.timings["seconds_per_epoch"] for run in runs),
        coverage=dict(first.coverage),
        metrics={},
        monitor=first.task["monitor"],
        split=reported_split(first),
        runs=[str(run.path) for run in runs],
        cautions=common_cautions(runs),
    )
    for split, metrics in first.metrics.items():
        values = {name: [run.metrics[split][name] for run in runs] for name in metrics}
        report.metrics[split] = {name: statistics.fmean(v) for name, v in values.items()}
        if len(runs) > 1:
            report.std[split] = {name: deviation(v) for name, v in values.items()}
    report.intervals = _intervals(runs)
    report.interval = list(report.intervals[report.monitor])
    return report


def interval(runs: Sequence[Run]) -> tuple[float, float]:
    """95 % interval of the runs' mean monitor, over the proteins of test and over seeds."""
    task = runs[0].task
    return bootstrap(task["monitor"], Problem(task["problem"]), _predicted(runs))


def _intervals(runs: Sequence[Run]) -> dict[str, tuple[float, float]]:
    task = runs[0].task
    names = dict.fromkeys((*task["metrics"], task["monitor"]))
    return intervals(names, Problem(task["problem"]), _predicted(runs))


def _predicted(runs: Sequence[Run]) -> list[Predicted]:
    """What each run predicted on test, or on valid if there is no test."""
    split = reported_split(runs[0])
    return [load_predictions(run, split) for run in runs]


def default_folder(inputs: Inputs, shape: AdapterConfig) -> Path:
    """Where a run goes when nobody says: a new folder under ``runs/<task>``."""
    encoder = registry.title(inputs.embeddings.provenance.fingerprint)
    structure = "+".join(shape.alphabets) or "none"
    name = f"{encoder}-{structure}-{shape.pooling}-{moment()}"
    return Path("runs") / inputs.task.name / name
