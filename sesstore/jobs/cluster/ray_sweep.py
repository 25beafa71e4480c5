"""Train the settings of a sweep on a Ray cluster: a setting with its seeds is one worker's trial.

Workers read the store themselves and write runs where this process reads them, so both must be on
a disk that all machines share. A trial whose worker dies goes on from the state it saved.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import ClusterError, StoppedError
from ...progress import SILENT, Progress
from ...provenance import Provenance
from ...store import Embeddings, Tokens
from ...streaming.composition import Compositions
from ...tasks import Task
from ...training.fit import Member, check_fit, fit_many, load_runs
from ...training.fit_config import FitConfig
from ...training.runs import RECORD, Run
from ..inputs import Inputs
from ..signals import saying_how_to_resume, stop_requests
from ..training.sweep import (
    Setting,
    SweepReport,
    combinations,
    members_of,
    setting_name,
    sweep_folder,
    sweep_report,
)
from .connection import Cluster, has_gpus, slots
from .dispatcher import Dispatcher
from .work_items import Outcome, WorkItem
from .work_queue import WorkQueue
from .worker_pool import WorkerPool


@dataclass(frozen=True)
class TrialOrder:
    """What all trials have in common: the task, and where their data are."""

    task: Task
    embeddings: Path
    provenance: Provenance
    tokens: Path | None
    compositions: Compositions | None


@dataclass(frozen=True)
class Trial:
    """Adapters that one worker trains on one stream.

    Parameters
    ----------
    members : list of Member
    out : path
        Folder for what an interruption leaves.
    """

    members: list[Member]
    out: Path

    @property
    def is_trained(self) -> bool:
        """Whether all its runs are there."""
        return all((member.out / RECORD).exists() for member in self.members)

    def absolute(self) -> Trial:
        """The same by paths that hold in any folder."""
        members = [replace(member, out=member.out.absolute()) for member in self.members]
        return Trial(members, self.out.absolute())


class TrialWorker:
    """Trains trials; see `embed_worker.EmbedWorker` for what a pool asks of a worker.

    Parameters
    ----------
    order : TrialOrder
    """

    def __init__(self, order: TrialOrder) -> None:
        self._order = order
        self._stop = threading.Event()

    def prepare(self) -> None:
        """Open embeddings and tokens."""
        order = self._order
        self._embeddings = Embeddings(order.embeddings, order.provenance)
        self._tokens = None if order.tokens is None else Tokens(order.tokens)

    def work(self, number: int, trial: Trial, resume: bool) -> Outcome:
        """Train a trial, unless it is trained already; once `stop` was called, save its state."""
        if trial.is_trained:
            return Outcome(True, [number])
        for member in trial.members:  # of a worker that died while it wrote them
            (member.out / RECORD).unlink(missing_ok=True)
        try:
            fit_many(
                self._order.task,
                self._embeddings,
                self._tokens,
                trial.members,
                trial.out,
                resume=resume,
                compositions=self._order.compositions,
                stop=self._stop.is_set,
            )
        except StoppedError:
            return Outcome(False, [])
        return Outcome(True, [number])

    def commit(self) -> list[int]:
        """Nothing is kept back."""
        return []

    def close(self) -> None:
        """Nothing is open."""

    def stop(self) -> None:
        """Let `work` save its state and end."""
        self._stop.set()

    def progress(self) -> int:
        """Nothing of a trial counts before it is done."""
        return 0


def fit_on_ray(
    ray: Any,
    cluster: Cluster,
    inputs: Inputs,
    trials: Sequence[Trial],
    *,
    resume: bool = False,
    progress: Progress = SILENT,
) -> list[Run]:
    """Train trials on a cluster.

    Parameters
    ----------
    ray : module
        Connected, see `connection.connected`.
    cluster : Cluster
    inputs : Inputs
        What all train on.
    trials : sequence of Trial
    resume : bool
        Keep trials that are finished, and go on with interrupted ones.
    progress : Progress
        Told about trials as they are finished.

    Returns
    -------
    list of Run
        One a member of each trial, in their order.

    Raises
    ------
    StoppedError
        A signal came; every trial's progress is saved.
    InputError, NotStoredError, TrainingError
        As `training.fit.fit`; or a trial is finished by other settings than these.
    """
    if not resume:
        for member in (member for trial in trials for member in trial.members):
            check_fit(inputs.task, member.adapter, inputs.tokens, member.out)
    todo = []
    for trial in trials:
        if resume and trial.is_trained:
            load_runs(inputs.task, inputs.embeddings, inputs.tokens, trial.members)
        else:
            todo.append(trial)
    if todo:
        _train(ray, cluster, inputs, todo, resume, progress)
    return [Run.load(member.out) for trial in trials for member in trial.members]


def _train(
    ray: Any,
    cluster: Cluster,
    inputs: Inputs,
    trials: Sequence[Trial],
    resume: bool,
    progress: Progress,
) -> None:
    gpus = has_gpus(ray) and trials[0].members[0].config.device in (None, "cuda")
    pool = WorkerPool(
        ray,
        TrialWorker,
        _order(inputs),
        {"num_gpus": 1} if gpus else {"num_cpus": cluster.threads},
        lambda: min(slots(ray, cluster, gpus=gpus), len(trials)),
    )
    queue = WorkQueue(WorkItem([trial.absolute()], 1, len(trial.members)) for trial in trials)
    with stop_requests() as stop, progress.stage("training", len(trials), "settings") as bar:
        Dispatcher(
            pool,
            queue,
            lambda work_item: [work_item.items[0], resume or work_item.losses > 0],
            lambda work_item: work_item,
            bar,
        ).run(stop)
    _check_done(queue, stop.signal)


def _order(inputs: Inputs) -> TrialOrder:
    return TrialOrder(
        task=inputs.task,
        embeddings=inputs.embeddings.folder.absolute(),
        provenance=inputs.embeddings.provenance,
        tokens=inputs.tokens.path.absolute() if isinstance(inputs.tokens, Tokens) else None,
        compositions=inputs.compositions,
    )


def _check_done(queue: WorkQueue[Trial], signal: str | None) -> None:
    if not queue.all_settled:
        raise StoppedError(
            f"stopped by {signal}: {queue.progress} settings are trained, the progress of "
            f"others is saved"
        )
    if queue.abandoned:
        raise ClusterError(
            f"workers died whenever they trained '{queue.abandoned[0].out.name}'. Most often "
            f"memory is too small for so many: give fewer --workers, and go on with --resume"
        )


def sweep_on_ray(
    ray: Any,
    cluster: Cluster,
    inputs: Inputs,
    grid: Mapping[str, Sequence[Any]],
    adapter: Mapping[str, Any],
    config: FitConfig,
    *,
    seeds: int = 1,
    out: Path | None = None,
    resume: bool = False,
    progress: Progress = SILENT,
) -> SweepReport:
    """Train every combination of a grid on a cluster, with the table of `sweep.sweep`.

    Parameters
    ----------
    ray, cluster
        As in `fit_on_ray`.
    inputs, grid, adapter, config, seeds, out, resume, progress
        As in `sweep.sweep`.

    Raises
    ------
    InputError, StoppedError
        As `sweep.sweep` and `fit_on_ray`.
    """
    folder = sweep_folder(inputs, out, resume=resume)
    settings = [Setting(values, folder / setting_name(values)) for values in combinations(grid)]
    trials = [
        Trial(members_of(inputs, setting, adapter, config, seeds), setting.folder)
        for setting in settings
    ]
    with saying_how_to_resume(folder):
        runs = fit_on_ray(ray, cluster, inputs, trials, resume=resume, progress=progress)
    of_each = [runs[start : start + seeds] for start in range(0, len(runs), seeds)]
    return sweep_report(folder, inputs, settings, of_each)
