"""Set a training beside what simple models reach on the same rows, and say which is better.

The adapter is compared with the best of them on the proteins of the reported split: both are scored
on the same draws, and several seeds count as they scatter (see `training.uncertainty`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..store import Embeddings, Store
from ..tasks import Task
from ..training.baseline_report import BaselineReport
from ..training.baselines import BaselineScore, Rows, best_baseline, score_baselines
from ..training.evaluate import load_predictions, split_data
from ..training.intervals import (
    Predicted,
    interval_of_mean,
    intervals,
    protein_count,
    resample_runs,
)
from ..training.runs import Run
from ..training.seeds import runs_at


def measure_baselines(store: Store, run_path: Path | str) -> BaselineReport:
    """Fit the simple models on a training's rows, score them, and keep the result in its folder.

    Parameters
    ----------
    store : Store
        With the task, its proteins, and their embeddings by the run's encoder.
    run_path : path
        A run, or the folder of a training by several seeds.

    Raises
    ------
    MissingFileError
        There is no run, or its predictions are missing.
    UnknownNameError, NotStoredError
        The store lacks the task, or embeddings by the run's encoder.
    """
    runs = runs_at(run_path)
    task = store.task(runs[0].task["name"])
    scores = score_baselines(task, task_rows(store, task, store.embeddings(runs[0].fingerprint)))
    report = _compared(task, runs, scores)
    report.save(Path(run_path))
    return report


def task_rows(store: Store, task: Task, view: Embeddings) -> dict[str, Rows]:
    """Rows of each split of a task as simple models take them."""
    rows = {}
    for name, split in task.splits.items():
        if not len(split):
            continue
        digests = [digest.tobytes() for digest in split.digests]
        sequences = {p.digest: p.sequence for p in store.proteins(set(digests))}
        rows[name] = Rows(
            split_data(task, split, view, None, (), 0),
            [sequences[digest] for digest in digests],
            split.digests,
            task.problem.per_residue,
        )
    return rows


def _compared(task: Task, runs: Sequence[Run], scores: Sequence[BaselineScore]) -> BaselineReport:
    split = "test" if "test" in runs[0].metrics else "valid"
    best = best_baseline(scores, task.monitor)
    adapter = [load_predictions(run, split) for run in runs]
    draws = [_draws(task, predicted) for predicted in (adapter, [best.predicted[split]])]
    gains = np.array([run.metrics[split][task.monitor] for run in runs])
    gains -= best.metrics[split][task.monitor]
    low, high = interval_of_mean(gains, draws[0] - draws[1], protein_count(adapter[0]))
    return BaselineReport(
        split=split,
        monitor=task.monitor,
        metrics={s.name: {k: dict(v) for k, v in s.metrics.items()} for s in scores},
        intervals={s.name: _interval(task, s.predicted[split]) for s in scores},
        seconds={s.name: s.seconds for s in scores},
        best=best.name,
        difference=float(gains.mean()),
        low=low,
        high=high,
    )


def _draws(task: Task, predicted: Sequence[Predicted]) -> NDArray[np.float64]:
    return resample_runs([task.monitor], task.problem, predicted)[task.monitor]


def _interval(task: Task, predicted: Predicted) -> tuple[float, float]:
    return intervals([task.monitor], task.problem, [predicted])[task.monitor]
