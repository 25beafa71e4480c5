"""Measure a trained run on a task of a store: metrics, how sure they are, and class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ...errors import InputError, NotStoredError
from ...progress import SILENT, Progress
from ...provenance import without_nan
from ...store import Store
from ...streaming.composition import StoredCompositions
from ...tasks import Problem, Split, Task, pooled
from ...training.baseline_report import BaselineReport
from ...training.cautions import data_cautions, prediction_cautions
from ...training.evaluate import evaluate, load_predictions
from ...training.intervals import Predicted, intervals
from ...training.metrics import METRICS, compute
from ...training.perclass import ClassScore, class_scores, confusion
from ...training.runs import FOLDS, Caution, Run, default_split, rows_of
from ...training.seeds import runs_at
from ..inputs import chosen_source
from .baselines import compare_baselines


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
    baselines : BaselineReport, optional
        What simple models reach on the same rows.
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
    baselines: BaselineReport | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values; what is not defined is None."""
        classes = [
            {**asdict(c), "precision": c.precision, "recall": c.recall, "f1": c.f1}
            for c in self.per_class
        ]
        beside = {
            "cautions": [asdict(caution) for caution in self.cautions],
            "baselines": None if self.baselines is None else self.baselines.to_json(),
        }
        return dict(without_nan({**vars(self), "per_class": classes, **beside}))


def evaluate_run(
    store: Store,
    run_path: Path,
    task_name: str | None = None,
    split: str | None = None,
    *,
    source: str | None = None,
    device: str | None = None,
    baselines: bool = False,
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
    split : str, optional
        Which rows: test by default; of a cross-validation, and its own task, all of them, as the
        folds' trainings predict them that had not seen them (``"out-of-fold"``).
    source : str, optional
        Of the structures; the one it was trained on by default, and the only one out of fold.
    device : str, optional
        Where the adapter runs; the best there is by default, as in training.
    baselines : bool
        Set simple models beside the result, where the store has the rows the run was trained on.

    Raises
    ------
    MissingFileError
        There is no run there.
    UnknownNameError, NotStoredError
        The store lacks the task, or embeddings by the run's encoder.
    InputError
        Out-of-fold predictions of other rows or another source than the run's are asked for.
    """
    runs = runs_at(run_path)
    run = runs[0]
    task = store.task(task_name or run.task["name"])
    split = split or default_split(run, task.name)
    source = chosen_source(store, source or run.source) if run.source else None
    if split == FOLDS:
        check_same_rows(run, task)
        if source != run.source:
            raise InputError(
                f"out-of-fold predictions are of the training's own source, {run.source}. Name a "
                f"split of '{task.name}' for structures of {source}: {', '.join(task.splits)}"
            )
        predicted = [load_predictions(one, FOLDS) for one in runs]
    else:
        tokens = store.tokens(source) if source else None
        view, letters = store.embeddings(run.fingerprint), StoredCompositions(store)
        evaluations = [
            evaluate(
                one,
                task,
                split,
                view,
                tokens,
                compositions=letters,
                device=device,
                progress=progress,
            )
            for one in runs
        ]
        predicted = [one.predicted for one in evaluations]
    names = ordered_metrics(task.problem, task.metrics)
    scored = [compute(names, task.problem, one.scores, one.labels) for one in predicted]
    single = not task.problem.is_regression and task.problem is not Problem.MULTI_LABEL
    return EvaluateReport(
        run=str(run_path),
        task=task.name,
        split=split,
        source=source,
        seeds=len(runs),
        rows=len(rows_of(task, split)),
        problem=str(task.problem),
        metrics={name: fmean(one[name] for one in scored) for name in names},
        intervals=intervals(names, task.problem, predicted),
        per_class=class_scores(task.classes, task.problem, predicted),
        confusion=confusion(len(task.classes), predicted).tolist() if single else [],
        cautions=_cautions(store, run, task, split, predicted),
        baselines=_beside(store, run_path, task, split, predicted, progress) if baselines else None,
    )


def _beside(
    store: Store,
    run_path: Path,
    task: Task,
    split: str,
    predicted: Sequence[Predicted],
    progress: Progress,
) -> BaselineReport | None:
    """What simple models reach; None where they cannot be fitted, which is said."""
    try:
        return compare_baselines(store, run_path, task.name, split, predicted)
    except (InputError, NotStoredError) as problem:
        progress.note(f"no simple models beside it: {problem}")
        return None


def check_same_rows(run: Run, task: Task) -> None:
    """Raise `InputError` unless a task has the rows that a run was cross-validated on."""
    if FOLDS not in run.metrics:
        raise InputError(
            f"the run in '{run.path}' was not cross-validated. Name a split of '{task.name}': "
            f"{', '.join(task.splits)}"
        )
    if task.data_digest != run.task["data_digest"]:
        raise InputError(
            f"the run in '{run.path}' was cross-validated on other rows than '{task.name}' has. "
            f"Name a split of it: {', '.join(task.splits)}"
        )


def _cautions(
    store: Store, run: Run, task: Task, split: str, predicted: Sequence[Predicted]
) -> tuple[Caution, ...]:
    """What is off; against the trivial predictor where the store has the rows trained on."""
    name, measured = run.task["name"], rows_of(task, split)
    cautions = data_cautions(replace(task, splits={split: measured}))
    trained = store.task(name) if name in store.tasks() else None
    if trained is None or trained.data_digest != run.task["data_digest"]:
        return cautions
    if FOLDS in run.metrics:
        trained = replace(trained, splits={"train": pooled(trained)})
    overlap = () if split == FOLDS else _overlap_caution(trained, measured, split)
    return (*overlap, *prediction_cautions(trained, split, predicted), *cautions)


def _overlap_caution(trained: Task, measured: Split, split: str) -> tuple[Caution, ...]:
    """Whether rows were trained on that are measured now."""
    train_digests = {digest.tobytes() for digest in trained.split("train").digests}
    count = sum(digest.tobytes() in train_digests for digest in measured.digests)
    if not count:
        return ()
    return (
        Caution(
            "rows_trained_on",
            f"{count:,} of {len(measured):,} {split} proteins were trained on: these scores say "
            f"what is remembered",
            "measure on rows of its own, such as --split test, or --split out-of-fold of a "
            "cross-validation",
        ),
    )


def ordered_metrics(problem: Problem, first: tuple[str, ...]) -> list[str]:
    """Every metric of a problem, beginning with some."""
    return list(dict.fromkeys((*first, *METRICS[problem])))
