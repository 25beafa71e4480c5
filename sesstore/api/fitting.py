"""From a file of labelled proteins to a measured predictor, in one step that can be repeated.

Add, embed, train, set simple models beside: each as the command of that name does, with its
defaults. What is there already is not done again, so that the same call goes on where an
earlier one ended; other data, encoder or folds make another run.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .stores import OpenStore
from .stores import open as open_store

if TYPE_CHECKING:
    from ..datasets.load import LoadedTask
    from ..datasets.user_data import UserData
    from ..jobs.training.train import TrainReport
    from ..training.baseline_report import BaselineReport
    from ..training.foldruns import FoldsRecord
    from .runs import TrainedRun

ENCODER = "near"
"""Encoder where none is named and the store has none: small, and its weights are a package."""
FOLDS, SMALL = 5, 1000
"""Folds where the data have no splits, and fewer rows than this."""


@dataclass(frozen=True)
class FitPlan:
    """What is to be fitted, and how.

    Parameters
    ----------
    loaded : LoadedTask
        The data, checked.
    plm : str
        Name of the encoder.
    folds : int
        0 for one training on the splits there are.
    out : path
        Folder of the run.
    source : str or None
        Of the structures.
    commands : tuple of str
        The commands this stands for, without ``--store``.
    """

    loaded: LoadedTask
    plm: str
    folds: int
    out: Path
    source: str | None
    commands: tuple[str, ...]


def fit(
    path: Path | str,
    store: OpenStore | Path | str = "store",
    *,
    plm: str | None = None,
    source: str | None = None,
    folds: int | None = None,
    out: Path | str | None = None,
    user_data: UserData | None = None,
) -> TrainedRun:
    """Add labelled proteins, embed them, train, and set simple models beside.

    Parameters
    ----------
    path : path
        Labelled proteins, as `OpenStore.add` takes them.
    store : OpenStore or path
        Made if there is none.
    plm : str, optional
        The encoder; the store's only one by default, or `ENCODER`.
    source : str, optional
        Where the structures behind tokens in the data come from.
    folds : int, optional
        Cross-validate with so many; 0 for one training. By default `FOLDS` where the data have no
        splits of their own and fewer than `SMALL` rows, else 0.
    out : path, optional
        Folder of the run; by default one under ``runs/`` named for task, encoder, folds and data.
    user_data : UserData, optional
        What is to be said about the data: columns, kind of labels, name.

    Returns
    -------
    TrainedRun

    Raises
    ------
    InputError
        A record is wrong (then nothing was stored), or a choice has to be made.

    Examples
    --------
    ::

        run = sesstore.fit("mydata.csv")
        run.metrics, run.cautions, run.baselines().sentence
        run.predict(["MKTAYIAKQR"])
    """
    from ..jobs.add import add
    from .runs import TrainedRun

    handle = store if isinstance(store, OpenStore) else open_store(store)
    plan = plan_fit(path, handle, plm=plm, source=source, folds=folds, out=out, user_data=user_data)
    add(handle.store, plan.loaded, progress=handle.progress)
    report = train_plan(plan, handle)
    simple_models(plan, handle)
    return TrainedRun(Path(report.run), handle)


def plan_fit(
    path: Path | str,
    store: OpenStore,
    *,
    plm: str | None = None,
    source: str | None = None,
    folds: int | None = None,
    out: Path | str | None = None,
    user_data: UserData | None = None,
) -> FitPlan:
    """Read and check the data, and choose what nobody said; arguments and errors as of `fit`."""
    from ..encoders import registry

    if folds == 1:
        raise InputError("a cross-validation needs two folds or more, not 1; 0 is none")
    loaded = load_labelled(path, source, user_data)
    task = loaded.task
    encoders = [provenance.fingerprint.encoder for provenance in store.store.residue_encoders()]
    stored = list(dict.fromkeys(encoders))
    if plm is None and len(stored) > 1:
        raise InputError(f"which encoder? Name one with --plm (stored here: {', '.join(stored)})")
    plm = plm or (stored[0] if stored else ENCODER)
    if plm not in stored:
        plm = registry.short_name(plm)
    if folds is None:
        rows = sum(map(len, task.splits.values()))
        folds = FOLDS if "test" in loaded.created_splits and rows < SMALL else 0
    name = f"{plm}{f'-{folds}folds' if folds else ''}-{task.data_digest[:8]}"
    folder = Path(out) if out is not None else Path("runs") / task.name / f"fit-{name}"
    tokens = ["--source", source] if source else []
    steps = [
        ["add", str(path), *_options_of(user_data), *tokens],
        ["embed", task.name, "--plm", plm],
        ["train", task.name, "--plm", plm, *(["--folds", str(folds)] if folds else []), *tokens],
    ]
    steps[-1] += ["--out", str(folder)]
    commands = tuple(shlex.join(["sesstore", *step]) for step in steps)
    return FitPlan(loaded, plm, folds, folder, source, commands)


def load_labelled(path: Path | str, source: str | None, user_data: UserData | None) -> LoadedTask:
    """Read and check labelled proteins.

    Raises
    ------
    InputError
        There are no labels, or any record is wrong.
    """
    from ..datasets.load import LoadedTask
    from ..jobs.add import load

    loaded = load(str(path), source=source, user_data=user_data)
    if not isinstance(loaded, LoadedTask):
        raise InputError(
            f"'{path}' holds sequences without labels: there is nothing to learn. Name a file with "
            f"labels, or `sesstore embed` these"
        )
    return loaded


def _options_of(user_data: UserData | None) -> list[str]:
    """What was said about one's own data, as options."""
    if user_data is None:
        return []
    values = {
        "--name": user_data.name,
        "--task-type": user_data.task_type,
        "--sequence": user_data.columns.sequence,
        "--id": user_data.columns.id,
        "--label": user_data.columns.label,
        "--split": user_data.columns.split,
        "--targets": user_data.targets,
        "--mask": user_data.mask,
        "--split-by": user_data.split_by,
        "--seed": user_data.seed or None,
    }
    words = [word for name, value in values.items() if value for word in (name, str(value))]
    return [*words, *(["--drop-unlabelled"] if user_data.drop_unlabelled else [])]


def train_plan(plan: FitPlan, store: OpenStore) -> TrainReport:
    """Train, go on with a training that was interrupted, or read one that is done.

    Parameters
    ----------
    plan : FitPlan
        Whose data the store has.
    store : OpenStore
    """
    from ..jobs.inputs import check_training
    from ..training.foldruns import FoldsRecord
    from ..training.runs import RECORD, STATE

    folder, name, record = plan.out, plan.loaded.task.name, FoldsRecord.load(plan.out)
    is_begun = (folder / STATE).exists() or (record is not None and not record.is_finished)
    if not is_begun and (folder / RECORD).is_file():
        return _previous(plan, store, record)
    plm, source = plan.plm, plan.source
    check_training(store.store, name, plm=plm, source=source, out=folder, resume=is_begun)

    # These import torch, which takes seconds: a wrong name is known before.
    from ..jobs.training.crossvalidation import cross_validate
    from ..jobs.training.train import prepare, train
    from ..training.fit_config import FitConfig

    inputs = prepare(
        store.store, name, plm=plm, alphabets=None, source=source, progress=store.progress
    )
    shape, config = {"alphabets": inputs.alphabets}, FitConfig()
    work = (
        partial(cross_validate, store.store, inputs, shape, config, plan.folds)
        if plan.folds
        else partial(train, inputs, shape, config)
    )
    return work(out=folder, resume=is_begun, progress=store.progress)


def _previous(plan: FitPlan, store: OpenStore, record: FoldsRecord | None) -> TrainReport:
    """The report of a training that is done.

    Raises
    ------
    InputError
        It is another one: of other data, encoder, folds or structures.
    """
    from ..encoders import registry
    from ..jobs.inputs import chosen_encoder
    from ..jobs.training.train import summary
    from ..training.seeds import runs_at

    runs = runs_at(plan.out)
    folds = 0 if record is None else record.settings["folds"]
    encoder, stored = runs[0].fingerprint, chosen_encoder(store.store, plan.plm)
    is_other = (
        registry.spec(plan.plm).full_name != encoder.encoder
        if stored is None
        else stored.fingerprint != encoder
    )
    for what, differs in (
        ("on other data", runs[0].task["data_digest"] != plan.loaded.task.data_digest),
        (f"on embeddings by {encoder.title}", is_other),
        (f"in {folds} folds" if folds else "without folds", folds != plan.folds),
        (
            f"on structures of {runs[0].source}",
            plan.source and runs[0].source and plan.source != runs[0].source,
        ),
    ):
        if differs:
            raise InputError(
                f"the run in '{plan.out}' was trained {what}. Name another folder with --out"
            )
    store.progress.note(f"trained before, on the same data: {plan.out}")
    report = summary(plan.out, runs)
    if record is not None:
        report.folds = dict(record.metrics)
    return report


def simple_models(plan: FitPlan, store: OpenStore) -> BaselineReport:
    """What simple models reach on the rows of a plan that was trained, measured once."""
    from ..jobs.training.baselines import measure_baselines
    from ..training.baseline_report import BaselineReport

    return BaselineReport.load(plan.out) or measure_baselines(store.store, plan.out)
