"""Measure a trained run on a task of a store: metrics, how sure they are, and class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ..progress import SILENT, Progress
from ..provenance import without_nan
from ..store import Store
from ..streaming.composition import StoredCompositions
from ..tasks import Problem, Task
from ..training.cautions import data_cautions, prediction_cautions
from ..training.evaluate import evaluate
from ..training.intervals import Predicted, intervals
from ..training.metrics import METRICS, compute
from ..training.perclass import ClassScore, class_scores, confusion
from ..training.runs import Caution, Run
from ..training.seeds import runs_at
from .inputs import chosen_source


@dataclass
class EvaluateReport:
    """How good a run is; the keys of ``evaluate --json``.

    Parameters
    ----------
    run, task, split, problem : str
    source : str or None
        Of the structures.
    seeds : int
        Runs that were scored.
    rows : int
        Labelled rows of the split.
    metrics : dict of str to float
        Every metric of the problem, the mean over seeds.
    intervals : dict of str to (float, float)
        95 % interval of each, over proteins and seeds, see `training.intervals`.
    per_class : list of ClassScore
        Empty for regression. Counts are of proteins, or of labelled residues, summed over seeds.
    confusion : list of list of int
        True (row) against predicted (column), for single labels; counts as above; else empty.
    cautions : tuple of Caution
        What is off, and what to do.
    """

    run: str
    task: str
    split: str
    source: str | None
    seeds: int
    rows: int
    problem: str
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_class: list[ClassScore] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    cautions: tuple[Caution, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain values; what is not defined is None."""
        classes = [
            {**asdict(c), "precision": c.precision, "recall": c.recall, "f1": c.f1}
            for c in self.per_class
        ]
        cautions = [asdict(caution) for caution in self.cautions]
        return dict(without_nan({**vars(self), "per_class": classes, "cautions": cautions}))


def evaluate_run(
    store: Store,
    run_path: Path,
    task_name: str | None = None,
    split: str = "test",
    *,
    source: str | None = None,
    device: str | None = None,
    progress: Progress = SILENT,
) -> EvaluateReport:
    """Score a run on a split.

    Parameters
    ----------
    store : Store
        With the task, and embeddings by the run's encoder.
    run_path : path
        Folder of the run, or of a training by several seeds: metrics are their mean, counts of
        classes their sum.
    task_name : str, optional
        The run's own task by default.
    split : str
        Which rows.
    source : str, optional
        Of the structures; the one it was trained on by default.
    device : str, optional
        Where the adapter runs; the best there is by default, as in training.

    Raises
    ------
    MissingFileError
        There is no run there.
    UnknownNameError, NotStoredError
        The store lacks the task, or embeddings by the run's encoder.
    """
    runs = runs_at(run_path)
    run = runs[0]
    task = store.task(task_name or run.task["name"])
    source = chosen_source(store, source or run.source) if run.source else None
    tokens = store.tokens(source) if source else None
    view = store.embeddings(run.fingerprint)
    letters = StoredCompositions(store)
    found = [
        evaluate(
            one, task, split, view, tokens, compositions=letters, device=device, progress=progress
        )
        for one in runs
    ]
    predicted = [Predicted(one.scores, one.labels, one.rows) for one in found]
    names = ordered_metrics(task.problem, task.metrics)
    scored = [compute(names, task.problem, one.scores, one.labels) for one in found]
    single = not task.problem.is_regression and task.problem is not Problem.MULTI_LABEL
    return EvaluateReport(
        run=str(run_path),
        task=task.name,
        split=split,
        source=source,
        seeds=len(runs),
        rows=len(found[0].ids),
        problem=str(task.problem),
        metrics={name: fmean(one[name] for one in scored) for name in names},
        intervals=intervals(names, task.problem, predicted),
        per_class=class_scores(task.classes, task.problem, predicted),
        confusion=confusion(len(task.classes), predicted).tolist() if single else [],
        cautions=_cautions(store, run, task, split, predicted),
    )


def _cautions(
    store: Store, run: Run, task: Task, split: str, predicted: Sequence[Predicted]
) -> tuple[Caution, ...]:
    """What is off; against the trivial predictor where the store has the rows trained on."""
    name = run.task["name"]
    trained = store.task(name) if name in store.tasks() else None
    judged = () if trained is None else prediction_cautions(trained, split, predicted)
    measured = replace(task, splits={split: task.split(split)})
    return (*judged, *data_cautions(measured))


def ordered_metrics(problem: Problem, first: tuple[str, ...]) -> list[str]:
    """Every metric of a problem, beginning with some."""
    return list(dict.fromkeys((*first, *METRICS[problem])))
