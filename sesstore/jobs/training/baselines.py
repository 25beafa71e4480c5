"""Set a result beside what simple models reach on the same rows, and say which is better.

The adapter is compared with the best of them on the same proteins: both are scored on the same
draws, and several seeds count as they scatter (see `training.uncertainty`). The simple models are
fitted to the rows that the run was trained on; of a cross-validation, fold by fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...store import Embeddings, Store
from ...streaming.reader import EmbeddingRows
from ...tasks import Split, Task, pooled
from ...training.baseline_report import BaselineReport
from ...training.baselines import BaselineScore, Rows, best_baseline, score_baselines
from ...training.evaluate import load_predictions, split_data
from ...training.foldruns import FoldsRecord
from ...training.intervals import (
    Predicted,
    interval_of_mean,
    intervals,
    protein_count,
    resample_difference,
)
from ...training.metrics import compute
from ...training.runs import FOLDS, Run, reported_split
from ...training.seeds import runs_at
from ..embedding.means import protein_means
from .crossvalidation import join_folds, recorded_folds

_MEASURED = "measured"


def measure_baselines(store: Store, run_path: Path | str) -> BaselineReport:
    """Set a training beside simple models on its rows, and keep the result in its folder.

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
    InputError
        The store's task has other rows than the run was trained on.
    UnknownNameError, NotStoredError
        The store lacks the task, or embeddings by the run's encoder.
    """
    runs = runs_at(run_path)
    split = reported_split(runs[0])
    predicted = [load_predictions(run, split) for run in runs]
    report = compare_baselines(store, run_path, None, split, predicted)
    report.save(Path(run_path))
    return report


def compare_baselines(
    store: Store,
    run_path: Path | str,
    task_name: str | None,
    split: str,
    predicted: Sequence[Predicted],
) -> BaselineReport:
    """Set predictions of a training beside those of simple models.

    Parameters
    ----------
    store, run_path
        As in `measure_baselines`.
    task_name : str, optional
        Whose rows were predicted; the run's own by default.
    split : str
        Which of them.
    predicted : sequence of Predicted
        One a seed.

    Raises
    ------
    InputError
        The store's task has other rows than the run was trained on.
    UnknownNameError, NotStoredError
        The store lacks the task, or embeddings by the run's encoder.
    """
    run = runs_at(run_path)[0]
    trained = store.task(run.task["name"])
    if trained.data_digest != run.task["data_digest"]:
        raise InputError(
            f"simple models need the rows that were trained on, and '{trained.name}' has others "
            f"now. Leave them out with --no-baselines"
        )
    view = store.embeddings(run.fingerprint)
    if split == FOLDS:
        scores = _by_folds(store, trained, view, Path(run_path))
    else:
        measured = store.task(task_name or trained.name).split(split)
        scores = _on_split(store, trained, view, run, split, measured)
    return _compared(trained, split, predicted, scores, _best(scores, trained, Path(run_path)))


def task_rows(
    store: Store, task: Task, view: EmbeddingRows, means: Mapping[bytes, Tensor] | None = None
) -> dict[str, Rows]:
    """Rows of each split of a task as simple models take them.

    Parameters
    ----------
    store : Store
    task : Task
    view : EmbeddingRows
        With all its proteins.
    means : mapping of bytes to Tensor, shape=(d,), optional
        Mean embedding of each digest, where they were read before. Else they are read here, unless
        residues are what is labelled.
    """
    rows = {}
    split_means: Tensor | None
    for name, split in task.splits.items():
        if not len(split):
            continue
        digests = [digest.tobytes() for digest in split.digests]
        sequences = {p.digest: p.sequence for p in store.proteins(set(digests))}
        if means is not None:
            split_means = torch.stack([means[digest] for digest in digests])
        elif not task.problem.per_residue:
            split_means = protein_means(store, view, split.digests)
        else:
            split_means = None
        rows[name] = Rows(
            split_data(task, split, view, None, (), 0),
            [sequences[digest] for digest in digests],
            split.digests,
            task.problem.per_residue,
            split_means,
        )
    return rows


def _on_split(
    store: Store, trained: Task, view: Embeddings, run: Run, split: str, measured: Split
) -> list[BaselineScore]:
    """Fit to the rows a run was trained on; score on valid, which chooses, and on some rows."""
    splits = {name: trained.splits[name] for name in ("train", "valid") if name in trained.splits}
    if FOLDS in run.metrics:
        splits = {"train": pooled(trained)}
    # Under a name of its own: another task's train or valid are not those that were trained on.
    rows = task_rows(store, replace(trained, splits={**splits, _MEASURED: measured}), view)
    return [_with_bare_names(score, split) for score in score_baselines(trained, rows)]


def _with_bare_names(score: BaselineScore, split: str) -> BaselineScore:
    metrics, predicted = dict(score.metrics), dict(score.predicted)
    metrics[split], predicted[split] = metrics.pop(_MEASURED), predicted.pop(_MEASURED)
    return replace(score, metrics=metrics, predicted=predicted)


def _by_folds(store: Store, task: Task, view: Embeddings, folder: Path) -> list[BaselineScore]:
    """Fit and score fold by fold, as the adapters were."""
    record = FoldsRecord.load(folder)
    if record is None:
        raise InputError(f"there is no record of folds in '{folder}'. Name the whole training")
    cut, means = recorded_folds(task, record), None
    if not task.problem.per_residue:
        digests = pooled(task).digests
        values = protein_means(store, view, digests)
        means = dict(zip((row.tobytes() for row in digests), values, strict=True))
    fold_scores = [score_baselines(part, task_rows(store, part, view, means)) for part in cut.tasks]
    names = task.measures
    joined = []
    for scores in zip(*fold_scores, strict=True):
        predicted = join_folds(cut, [score.predicted["test"] for score in scores])
        metrics = {
            "valid": {n: fmean(score.metrics["valid"][n] for score in scores) for n in names},
            FOLDS: compute(names, task.problem, predicted.scores, predicted.labels),
        }
        seconds = sum(score.seconds for score in scores)
        joined.append(BaselineScore(scores[0].name, metrics, {FOLDS: predicted}, seconds))
    return joined


def _best(scores: Sequence[BaselineScore], task: Task, folder: Path) -> BaselineScore:
    """The best on valid; where all rows were trained on, the one that was best on folds."""
    if "valid" in scores[0].metrics:
        return best_baseline(scores, task.monitor)
    report = BaselineReport.load(folder)
    name = "linear" if report is None else report.best
    return next(score for score in scores if score.name == name)


def _compared(
    task: Task,
    split: str,
    adapter: Sequence[Predicted],
    scores: Sequence[BaselineScore],
    best: BaselineScore,
) -> BaselineReport:
    monitor, problem = task.monitor, task.problem
    values = [compute([monitor], problem, p.scores, p.labels)[monitor] for p in adapter]
    gains = np.array(values) - best.metrics[split][monitor]
    draws = resample_difference(monitor, problem, adapter, [best.predicted[split]])
    low, high = interval_of_mean(gains, draws, protein_count(adapter[0]))
    return BaselineReport(
        split=split,
        monitor=monitor,
        metrics={s.name: {k: dict(v) for k, v in s.metrics.items()} for s in scores},
        intervals={s.name: _interval(task, s.predicted[split]) for s in scores},
        seconds={s.name: s.seconds for s in scores},
        best=best.name,
        difference=float(gains.mean()),
        low=low,
        high=high,
    )


def _interval(task: Task, predicted: Predicted) -> tuple[float, float]:
    return intervals([task.monitor], task.problem, [predicted])[task.monitor]
