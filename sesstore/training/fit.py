"""Train adapters from a store: epochs of shuffled packed batches, the best by the monitor kept.

The PLM is nowhere near: embeddings come from the store, tokens from memory. Several adapters learn
from one stream, each batch read once (`fit_many`); one adapter is a group of one (`fit`). The same
settings and seed give the same weights, bit by bit, interrupted or not: on any CPU of one kind, and
on GPUs of one kind, for which deterministic algorithms are switched on meanwhile (see
`arithmetic.reproducible`). A CPU and a GPU differ in the last bits of bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..adapter.adapter_config import AdapterConfig
from ..adapter.workers import workers
from ..encoders.devices import choose_device
from ..errors import InputError
from ..progress import SILENT, Progress
from ..provenance import differences, plain
from ..store import Embeddings
from ..streaming.composition import Compositions
from ..streaming.splittokens import TokenRows
from ..tasks import Task
from .arithmetic import reproducible
from .cautions import check_monitor
from .defaults import in_words
from .fit_config import FitConfig
from .metrics import METRICS
from .ranks import ALONE, Ranks
from .runs import RECORD, STATE, Run
from .stream import Stream
from .tracking import NO_TRACKER, Tracker
from .trainer import Trainer

__all__ = ["FitConfig", "Member", "check_fit", "fit", "fit_many"]

NEEDS = ("train", "valid")
"""Splits that training needs."""
SHARED = ("batch_tokens", "stop_after", "min_plddt", "device", "residency")
"""Settings that adapters on one stream have in common."""


@dataclass(frozen=True)
class Member:
    """One adapter of a group.

    Parameters
    ----------
    adapter : AdapterConfig
        Its shape.
    config : FitConfig
        How to train it.
    out : path
        Folder for its run.
    """

    adapter: AdapterConfig
    config: FitConfig
    out: Path

    def completed(self, lengths: NDArray[np.int64]) -> Member:
        """Return it with settings chosen where they are None; see `FitConfig.completed`."""
        config = self.config.completed(lengths, structure=bool(self.adapter.alphabets))
        return replace(self, config=config)


def _never() -> bool:
    return False


def fit(
    task: Task,
    embeddings: Embeddings,
    tokens: TokenRows | None,
    adapter: AdapterConfig,
    config: FitConfig,
    out: Path,
    *,
    resume: bool = False,
    compositions: Compositions | None = None,
    stop: Callable[[], object] = _never,
    progress: Progress = SILENT,
) -> Run:
    """Train an adapter on a task.

    Parameters
    ----------
    task : Task
        With ``train`` and ``valid`` rows; ``test`` is scored once, by the best epoch. With
        ``config.stop_after`` there need be no ``valid``.
    embeddings : Embeddings
        The store's view under one encoder.
    tokens : TokenRows or None
        Structure tokens of one source; needed if the adapter has alphabets.
    adapter : AdapterConfig
        Shape of the adapter.
    config : FitConfig
        How to train; what it leaves open follows from the training set.
    out : path
        Folder for the run; made if it is absent.
    resume : bool
        Go on with an interrupted training in `out`, if there is one.
    compositions : Compositions, optional
        See `fit_many`.
    stop : callable
        Asked after each batch; once it is true, progress is saved and `StoppedError` raised.
    progress : Progress
        Told about residues trained on, with loss and monitor.

    Returns
    -------
    Run
        Saved in `out`.

    Raises
    ------
    InputError
        The task lacks train or valid rows, or `out` holds a run already, or an interrupted
        training with other settings.
    NotStoredError
        Proteins have no embedding.
    TrainingError
        The loss is not finite.
    StoppedError
        `stop` said so.
    """
    members = [Member(adapter, config, out)]
    return fit_many(
        task,
        embeddings,
        tokens,
        members,
        out,
        resume=resume,
        compositions=compositions,
        stop=stop,
        progress=progress,
    )[0]


def fit_many(
    task: Task,
    embeddings: Embeddings,
    tokens: TokenRows | None,
    members: Sequence[Member],
    out: Path,
    *,
    resume: bool = False,
    stop: Callable[[], object] = _never,
    progress: Progress = SILENT,
    compositions: Compositions | None = None,
    ranks: Ranks = ALONE,
    tracker: Tracker = NO_TRACKER,
) -> list[Run]:
    """Train several adapters on one stream of batches, each read once.

    The order of proteins is drawn from the first member's seed; weights and dropout from each
    member's own. A member stops learning when its patience is over.

    Parameters
    ----------
    task, embeddings, tokens, resume, stop, progress
        As in `fit`.
    members : sequence of Member
        What to train; they share batch size, masking, device and residency.
    out : path
        Folder for what an interruption leaves.
    compositions : Compositions, optional
        Of the task's proteins: with them adapters whose head is ``"linear"`` add to a linear term.
    ranks : Ranks
        The processes that train together; rank 0 writes.
    tracker : Tracker
        What is sent each epoch's figures.

    Returns
    -------
    list of Run
        One a member, in their order.

    Raises
    ------
    InputError, NotStoredError, TrainingError, StoppedError
        As `fit`.
    """
    _check_group(members)
    # An interruption may come while runs are written: then they are written again.
    written_again = resume and (out / STATE).exists()
    for member in members:
        needs = ("train",) if member.config.stop_after is not None else NEEDS
        check_fit(task, member.adapter, tokens, None if written_again else member.out, needs)
    lengths = train_lengths(task, embeddings)
    members = [member.completed(lengths) for member in members]
    for line in dict.fromkeys(in_words(member.config.pace, lengths) for member in members):
        progress.note(line)
    device = ranks.device or choose_device(members[0].config.device)
    stream = Stream(task, embeddings, tokens, members[0].config, _alphabets(members), device)
    progress.note(stream.say_residency())
    with reproducible(device, progress), workers(device) as pool:
        linear = any(member.adapter.head == "linear" for member in members)
        if linear and compositions and not task.problem.per_residue:
            stream.add_term(compositions, ranks)
            if stream.term and stream.term.rows < len(stream.data["train"]):
                progress.note(
                    f"the linear term is fitted to {stream.term.rows:,} of "
                    f"{len(stream.data['train']):,} train rows, drawn at random: with "
                    f"{task.n_outputs:,} outputs more would take long"
                )
        shapes = [(member.adapter, member.config) for member in members]
        trainer = Trainer(stream, shapes, out, pool, progress, ranks)
        names = _names(members, out)
        for name, member in zip(names, members, strict=True):
            tracker.settings(name, {**asdict(member.adapter), **asdict(member.config)})
        trainer.on_check = lambda place, entry: tracker.epoch(names[place], entry)
        if resume:
            trainer.resume()
        trainer.run(stop)
        runs = trainer.finish([member.out for member in members])
        for name, run in zip(names, runs, strict=True):
            tracker.scores(name, run)
        return runs


def fit_unless_done(
    task: Task,
    embeddings: Embeddings,
    tokens: TokenRows | None,
    members: Sequence[Member],
    out: Path,
    *,
    compositions: Compositions | None = None,
    stop: Callable[[], object] = _never,
    progress: Progress = SILENT,
    ranks: Ranks = ALONE,
) -> list[Run]:
    """Train several adapters as `fit_many`, or what is left of that; load them where all are there.

    For work of many trainings, of which some are done when it goes on.
    """
    if not all((member.out / RECORD).is_file() for member in members):
        if ranks.rank == 0:
            for member in members:  # written just before an interruption: written again
                (member.out / RECORD).unlink(missing_ok=True)
        fit_many(
            task,
            embeddings,
            tokens,
            members,
            out,
            resume=True,
            compositions=compositions,
            stop=stop,
            progress=progress,
            ranks=ranks,
        )
    return [Run.load(member.out) for member in members]


def load_runs(
    task: Task, embeddings: Embeddings, tokens: TokenRows | None, members: Sequence[Member]
) -> list[Run]:
    """Load runs that are finished, where a search or sweep goes on.

    Raises
    ------
    InputError
        One was trained by other settings, data, encoder or source; names what differs.
    """
    lengths = train_lengths(task, embeddings)
    return [_load_same(task, embeddings, tokens, member.completed(lengths)) for member in members]


def _load_same(task: Task, embeddings: Embeddings, tokens: TokenRows | None, member: Member) -> Run:
    run, shape = Run.load(member.out), member.adapter
    before = {
        "adapter": run.config["adapter"],
        "fit": run.config["fit"],
        "data": run.task["data_digest"],
        "encoder": run.fingerprint.digest,
        "source": run.source,
    }
    now = {
        "adapter": asdict(shape),
        "fit": asdict(member.config),
        "data": task.data_digest,
        "encoder": embeddings.provenance.fingerprint.digest,
        "source": tokens.source if tokens is not None and shape.alphabets else None,
    }
    if differing := differences(plain(before), plain(now)):
        raise InputError(
            f"the run in '{member.out}' was trained with other settings: {'; '.join(differing)}. "
            f"Go on with the same, or name another folder with --out"
        )
    return run


def train_lengths(task: Task, embeddings: Embeddings) -> NDArray[np.int64]:
    """Residues of each train row that has an embedding."""
    rows = embeddings.find(task.split("train").digests)
    lengths: NDArray[np.int64] = embeddings.lengths[rows[rows >= 0]]
    return lengths


def _names(members: Sequence[Member], out: Path) -> list[str]:
    """What a tracker calls the members: by their folders if there are several, else nothing."""
    if len(members) == 1:
        return [""]
    return [str(m.out.relative_to(out)) if m.out.is_relative_to(out) else "" for m in members]


def check_fit(
    task: Task,
    adapter: AdapterConfig,
    tokens: TokenRows | None,
    out: Path | None,
    needs: Sequence[str] = NEEDS,
) -> None:
    """Raise `InputError` for what `fit` would refuse, before anything is read."""
    for split in needs:
        if not len(task.splits.get(split, ())):
            raise InputError(f"task '{task.name}' has no {split} rows, and training needs them")
    if adapter.alphabets and tokens is None:
        raise InputError(
            f"an adapter with {', '.join(adapter.alphabets)} needs structure tokens. "
            f"Name their --source, or train with --structure none"
        )
    if (adapter.pooling == "residue") != task.problem.per_residue:
        raise InputError(
            f"pooling '{adapter.pooling}' does not fit a {task.problem} task: "
            f"'residue' is for residue tasks, and only for them"
        )
    unknown = {*task.metrics, task.monitor} - set(METRICS[task.problem])
    if unknown:
        raise InputError(f"a {task.problem} task has no metric {', '.join(sorted(unknown))}")
    if "valid" in needs:
        check_monitor(task)
    if out is not None and (out / RECORD).exists():
        raise InputError(f"'{out}' holds a run already. Name another folder with --out")


def _check_group(members: Sequence[Member]) -> None:
    if not members:
        raise InputError("there is nothing to train")
    for name in SHARED:
        values = {getattr(member.config, name) for member in members}
        if len(values) > 1:
            raise InputError(f"adapters on one stream share {name}; got {sorted(map(str, values))}")


def _alphabets(members: Sequence[Member]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for m in members for name in m.adapter.alphabets))
