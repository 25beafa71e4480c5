"""Set a training beside what simple models reach on the same rows, and say which is better.

The adapter is compared with the best of them by a paired bootstrap over the proteins of the
reported split: both are scored on the same draws (see `training.intervals`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..store import Embeddings, Store
from ..store.files import replace_file
from ..tasks import Task
from ..training.baselines import BaselineScore, Rows, best_baseline, score_baselines
from ..training.evaluate import load_predictions, split_data
from ..training.intervals import Predicted, intervals, resample
from ..training.metrics import HIGHER_IS_WORSE
from ..training.runs import Run
from ..training.seeds import runs_at

RECORD = "baselines.json"


@dataclass(frozen=True)
class BaselineReport:
    """Simple models on the rows of a training, and the adapter against the best of them.

    Parameters
    ----------
    split : str
        Which is reported: ``test``, or ``valid`` if there is no test.
    monitor : str
        The metric that is compared.
    metrics : dict of str to dict
        For each model, for each split, metric to value.
    intervals : dict of str to (float, float)
        95 % interval of each model's monitor on the reported split.
    seconds : dict of str to float
        Of fitting and predicting, by model.
    best : str
        The model with the best monitor on valid.
    difference, low, high : float
        Mean monitor of the adapter minus that of the best model, on the reported split, and its
        95 % interval; NaN where a metric is not defined.
    """

    split: str
    monitor: str
    metrics: dict[str, dict[str, dict[str, float]]]
    intervals: dict[str, tuple[float, float]]
    seconds: dict[str, float]
    best: str
    difference: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """Which is better, in a sentence."""
        sign = -1 if self.monitor in HIGHER_IS_WORSE else 1
        low, high = sorted((sign * self.low, sign * self.high))
        if low > 0:
            verdict = f"The adapter is better than the best simple model ({self.best})"
        elif high < 0:
            verdict = f"The adapter is worse than the best simple model ({self.best})"
        else:
            verdict = f"The adapter and the best simple model ({self.best}) are not told apart"
        return (
            f"{verdict}: {self.split} {self.monitor} {self.difference:+.4f} "
            f"(95 % interval {self.low:+.4f} to {self.high:+.4f})"
        )


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
    scores = score_baselines(task, _rows(store, task, store.embeddings(runs[0].fingerprint)))
    report = _compared(task, runs, scores)
    data = json.dumps(report.to_json(), indent=1).encode() + b"\n"
    replace_file(Path(run_path) / RECORD, data)
    return report


def _rows(store: Store, task: Task, view: Embeddings) -> dict[str, Rows]:
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
    differences = draws[0] - draws[1]
    defined = differences[~np.isnan(differences)]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
    mean = float(np.mean([run.metrics[split][task.monitor] for run in runs]))
    return BaselineReport(
        split=split,
        monitor=task.monitor,
        metrics={s.name: {k: dict(v) for k, v in s.metrics.items()} for s in scores},
        intervals={s.name: _interval(task, s.predicted[split]) for s in scores},
        seconds={s.name: s.seconds for s in scores},
        best=best.name,
        difference=mean - best.metrics[split][task.monitor],
        low=float(low),
        high=float(high),
    )


def _draws(task: Task, predicted: Sequence[Predicted]) -> NDArray[np.float64]:
    return resample([task.monitor], task.problem, predicted)[task.monitor]


def _interval(task: Task, predicted: Predicted) -> tuple[float, float]:
    return intervals([task.monitor], task.problem, [predicted])[task.monitor]
