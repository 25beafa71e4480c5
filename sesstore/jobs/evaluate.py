"""Measure a trained run on a task of a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..progress import SILENT, Progress
from ..store import Store
from ..training.evaluate import evaluate
from ..training.runs import Run
from .inputs import chosen_source


@dataclass
class EvaluateReport:
    """How good a run is; the keys of ``evaluate --json``."""

    run: str
    task: str
    split: str
    source: str | None
    rows: int
    metrics: dict[str, float]


def evaluate_run(
    store: Store,
    run_path: Path,
    task_name: str | None = None,
    split: str = "test",
    *,
    source: str | None = None,
    progress: Progress = SILENT,
) -> EvaluateReport:
    """Score a run on a split.

    Parameters
    ----------
    store : Store
        With the task, and embeddings by the run's encoder.
    run_path : path
        Folder of the run.
    task_name : str, optional
        The run's own task by default.
    split : str
        Which rows.
    source : str, optional
        Of the structures; the one it was trained on by default.

    Raises
    ------
    MissingFileError
        There is no run there.
    UnknownNameError, NotStoredError
        The store lacks the task, or embeddings by the run's encoder.
    """
    run = Run.load(run_path)
    task = store.task(task_name or run.task["name"])
    source = chosen_source(store, source or run.source) if run.source else None
    tokens = store.tokens(source) if source else None
    view = store.embeddings(run.fingerprint)
    found = evaluate(run, task, split, view, tokens, progress=progress)
    return EvaluateReport(str(run_path), task.name, split, source, len(found.ids), found.metrics)
