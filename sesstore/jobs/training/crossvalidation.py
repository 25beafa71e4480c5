"""K-fold cross-validation: predictions for every row by trainings that had not seen it; then one
training on all rows, which is the run that predicts.

The folds (`datasets.folds`) are trained one after another, all seeds of one on one stream. What the
valid rows of all folds say together chooses how long the training on all rows takes. It has no
valid of its own, and its scores are those of the folds' trainings: of 60 to 90 % of the rows, so
rather too low than too high.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy as np
import torch

from ...datasets.folds import Folds, cut_folds, make_folds
from ...errors import InputError
from ...progress import SILENT, Progress, Stage
from ...provenance import plain
from ...store import Store
from ...tasks import Task
from ...training.cautions import (
    check_monitor,
    common_cautions,
    data_cautions,
    prediction_cautions,
)
from ...training.defaults import CHECKS
from ...training.evaluate import load_predictions, save_predictions
from ...training.fit import fit_unless_done, train_lengths
from ...training.fit_config import FitConfig
from ...training.foldruns import FoldsRecord, check_settings
from ...training.intervals import Predicted
from ...training.metrics import HIGHER_IS_WORSE, compute
from ...training.ranks import ranks
from ...training.runs import FOLDS, Run, task_record
from ..inputs import Inputs, check_folder, task_proteins
from ..signals import saying_how_to_resume, stop_requests
from .train import (
    TrainReport,
    adapter_shape,
    default_folder,
    keep_training_set,
    seed_members,
    summary,
)


def cross_validate(
    store: Store,
    inputs: Inputs,
    adapter: Mapping[str, Any],
    config: FitConfig,
    folds: int,
    *,
    seeds: int = 1,
    out: Path | None = None,
    resume: bool = False,
    progress: Progress = SILENT,
) -> TrainReport:
    """Train on a task in folds, then on all its rows.

    Parameters
    ----------
    store : Store
        With the task's sequences.
    inputs, adapter, config, seeds, out, resume
        As in `train.train`. The first seed also deals the rows to folds.
    folds : int
        How many, two at least.

    Returns
    -------
    TrainReport
        Its metrics are those of all rows under ``"out-of-fold"``; see `TrainReport.folds`.

    Raises
    ------
    InputError
        The rows cannot be cut into so many folds, a fold's valid rows cannot choose an epoch, or
        the folder holds something else.
    StoppedError
        A signal came; progress is saved in the run's folder.
    """
    if folds < 2:
        raise InputError(f"a cross-validation needs two folds or more, not {folds}")
    shape, task = adapter_shape(inputs, adapter), inputs.task
    settings = {
        "folds": folds,
        "seeds": seeds,
        "adapter": asdict(shape),
        "fit": asdict(config),
        "data": task.data_digest,
        "encoder": inputs.embeddings.provenance.fingerprint.digest,
        "source": inputs.tokens.source if inputs.tokens is not None else None,
    }
    with ranks(config.device) as group, stop_requests() as stop:
        folder = group.same(out or default_folder(inputs, shape))
        check_folder(folder, resume=resume)
        first = _folds_of(folder, store, task, settings) if group.rank == 0 else None
        cut = cast(Folds, group.same(first))
        progress.note(cut.note)
        fit = partial(
            fit_unless_done,
            embeddings=inputs.embeddings,
            tokens=inputs.tokens if shape.alphabets else None,
            compositions=inputs.compositions,
            stop=lambda: bool(stop),
            progress=_LineByTraining(progress),
            ranks=group,
        )
        with saying_how_to_resume(folder):
            trained = []
            for place, part in enumerate(cut.tasks, 1):
                progress.note(f"fold {place} of {folds}: {_sizes(part)}")
                fold_folder = folder / f"fold-{place}"
                members = seed_members(shape, config, seeds, fold_folder)
                trained.append(fit(part, members=members, out=fold_folder))
            lengths = train_lengths(cut.rows_task, inputs.embeddings)
            complete = config.completed(lengths, structure=bool(shape.alphabets))
            last = last_epoch([run for runs in trained for run in runs], complete)
            length = f"to epoch {last}, where folds were best" if last else "the linear term alone"
            progress.note(f"all rows: {_sizes(cut.rows_task)}, {length}")
            members = seed_members(shape, replace(config, stop_after=last), seeds, folder)
            final_runs = fit(cut.rows_task, members=members, out=folder)
        if group.rank == 0:
            keep_training_set(folder, cut.rows_task, inputs.embeddings)
        report = _summarise(folder, task, cut, trained, final_runs) if group.rank == 0 else None
        return cast(TrainReport, group.same(report))


def _sizes(task: Task) -> str:
    return ", ".join(f"{len(split):,} {name}" for name, split in task.splits.items())


def _folds_of(folder: Path, store: Store, task: Task, settings: Mapping[str, Any]) -> Folds:
    """The folds of a cross-validation that begins in a folder, or goes on there."""
    record = FoldsRecord.load(folder)
    if record is not None:
        check_settings(folder, record, settings)
        return recorded_folds(task, record)
    sequences = {protein.digest: protein.sequence for protein in task_proteins(store, task)}
    cut = make_folds(task, sequences, settings["folds"], seed=settings["fit"]["seed"])
    _check(cut)
    valid = [rows.tolist() for rows in cut.valid]
    FoldsRecord(plain(settings), cut.note, cut.of.tolist(), valid).save(folder)
    return cut


def recorded_folds(task: Task, record: FoldsRecord) -> Folds:
    """The folds that a cross-validation has, whatever would be made of its task today."""
    valid = [np.array(rows, np.int64) for rows in record.valid]
    return cut_folds(task, np.array(record.of, np.int64), valid, record.note)


def _check(cut: Folds) -> None:
    """Raise before any training where a fold cannot be trained."""
    for place, part in enumerate(cut.tasks, 1):
        try:
            check_monitor(part)
        except InputError as problem:
            why = str(problem).partition(". ")[0]
            raise InputError(
                f"fold {place}: {why}. Use fewer --folds, or another --seed to deal them by"
            ) from None


class _LineByTraining:
    """Progress of many trainings: a stage each, and none of the notes and rows within.

    Parameters
    ----------
    progress : Progress
        What is told.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Stage]:
        """Open a stage whose finished parts are its figures of the moment."""
        with self._progress.stage(name, total, unit) as bar:
            yield _Figures(bar)

    def note(self, text: str) -> None:
        """Say nothing: what is noted of one training holds for all, and each run records it."""


class _Figures:
    def __init__(self, bar: Stage) -> None:
        self.advance, self.show = bar.advance, bar.show

    def row(self, **figures: str) -> None:
        """Show a finished part until the next."""
        self.show(**figures)


def last_epoch(runs: Sequence[Run], config: FitConfig) -> int:
    """Epochs for a training on all rows: the share of training after which folds were best.

    0 where most of the folds' trainings kept the linear term alone.

    Parameters
    ----------
    runs : sequence of Run
        Of the folds.
    config : FitConfig
        Of the training on all rows, complete.
    """
    if fmean(run.is_linear for run in runs) > 0.5:
        return 0
    return max(1, round(best_share(runs) * config.pace.epochs))


def best_share(runs: Sequence[Run]) -> float:
    """Share of training after which the mean monitor on valid, over some runs, is the best.

    Parameters
    ----------
    runs : sequence of Run
        Of one task's folds; they may differ in epochs. One that patience ended counts on with its
        last value.
    """
    grid = np.linspace(1 / CHECKS, 1, CHECKS)
    monitor, curves = runs[0].task["monitor"], []
    for run in runs:
        epochs = np.array([entry["epoch"] for entry in run.history])
        values = np.array([entry["valid"][monitor] for entry in run.history], np.float64)
        defined = ~np.isnan(values)
        shares = epochs[defined] / run.config["fit"]["epochs"]
        curves.append(np.interp(grid, shares, values[defined]))
    mean = np.mean(curves, axis=0)
    return float(grid[mean.argmin() if monitor in HIGHER_IS_WORSE else mean.argmax()])


def _summarise(
    folder: Path,
    task: Task,
    cut: Folds,
    trained: Sequence[Sequence[Run]],
    final_runs: Sequence[Run],
) -> TrainReport:
    """Give the runs on all rows the scores of the folds' trainings, and write the record."""
    predicted = [
        join_folds(cut, [load_predictions(runs[seed], "test") for runs in trained])
        for seed in range(len(final_runs))
    ]
    of_folds = common_cautions([run for runs in trained for run in runs])
    learning = [c for c in of_folds if c.what in ("still_learning", "linear_alone")]
    names = task.measures
    records = []
    for run, predictions in zip(final_runs, predicted, strict=True):
        save_predictions(run, FOLDS, predictions)
        cautions = (
            *prediction_cautions(cut.rows_task, FOLDS, [predictions]),
            *learning,
            *data_cautions(cut.rows_task),
        )
        metrics = {FOLDS: compute(names, task.problem, predictions.scores, predictions.labels)}
        records.append(
            replace(run, task=task_record(task), metrics=metrics, cautions=tuple(cautions))
        )
        records[-1].save()
    record = FoldsRecord.load(folder)
    assert record is not None
    record = replace(record, metrics=_by_fold(trained))
    record.save(folder)
    report = summary(folder, records)
    report.folds = dict(record.metrics)
    return report


def _by_fold(trained: Sequence[Sequence[Run]]) -> dict[str, list[float | None]]:
    """Each metric on each fold's test rows, mean over seeds."""
    names = trained[0][0].metrics["test"]
    return {
        name: [fmean(run.metrics["test"][name] for run in runs) for runs in trained]
        for name in names
    }


def join_folds(cut: Folds, parts: Sequence[Predicted]) -> Predicted:
    """What is predicted of each fold's test rows, in the order of all rows."""
    tested = [torch.from_numpy(rows) for rows in cut.tested]
    rows = torch.cat([of[part.rows] for of, part in zip(tested, parts, strict=True)])
    folds = torch.cat([torch.full_like(part.rows, place) for place, part in enumerate(parts)])
    order = torch.argsort(rows, stable=True)
    return Predicted(
        torch.cat([part.scores for part in parts])[order],
        torch.cat([part.labels for part in parts])[order],
        rows[order],
        folds[order],
    )
