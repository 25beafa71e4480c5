"""Train a grid of adapters on one stream: every batch is read once and fed to all.

What differs between them is their own (learning rate, pooling, structure, heads, ...); batch size,
masking and residency are the stream's. Seeds of one setting are averaged.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from ...adapter.adapter_config import AdapterConfig
from ...errors import InputError, UnknownNameError
from ...progress import SILENT, Progress
from ...provenance import moment, without_nan
from ...store.atomic_files import replace_file
from ...training.fit import Member, fit_many
from ...training.fit_config import FitConfig
from ...training.learner import with_seeds
from ...training.metrics import HIGHER_IS_WORSE
from ...training.ranks import ranks
from ...training.runs import Run
from ...training.tracking import tracker
from ..inputs import Inputs, check_folder
from ..signals import saying_how_to_resume, stop_requests
from .train import TrainReport, adapter_shape, summary

RECORD = "sweep.json"
OF_ADAPTER = ("alphabets", "pooling", "heads", "width", "dropout", "modality_dropout", "head")
OF_LEARNING = ("lr", "weight_decay", "schedule", "warmup", "clip", "focal")


@dataclass(frozen=True)
class Range:
    """Numbers between two, for a search; a grid takes lists only."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(f"a range goes from less to more, not from {self.low} to {self.high}")


@dataclass(frozen=True)
class Setting:
    """What is varied, with its values, and the folder of its runs."""

    values: Mapping[str, Any]
    folder: Path


@dataclass
class SweepReport:
    """What a sweep found; the keys of ``sweep --json``, and of ``sweep.json`` in its folder.

    Parameters
    ----------
    run : str
        Folder of the sweep.
    task : str
    monitor : str
        The metric that chose epochs, and orders `settings`.
    swept : list of str
        Names of what was varied.
    settings : list of dict
        One a setting, best on valid first: ``setting`` (what was varied, with its values) and the
        `TrainReport` of its seeds.
    seconds_per_epoch : float
        Of all adapters together.
    adapters : int
        How many learned from the stream.
    """

    run: str
    task: str
    monitor: str
    swept: list[str]
    settings: list[dict[str, Any]] = field(default_factory=list)
    seconds_per_epoch: float = 0.0
    adapters: int = 0


def sweep(
    inputs: Inputs,
    grid: Mapping[str, Sequence[Any]],
    adapter: Mapping[str, Any],
    config: FitConfig,
    *,
    seeds: int = 1,
    out: Path | None = None,
    resume: bool = False,
    track: str | None = None,
    progress: Progress = SILENT,
) -> SweepReport:
    """Train every combination of a grid, each by several seeds.

    Parameters
    ----------
    inputs : Inputs
        From `train.prepare`, with tokens if any combination needs them.
    grid : mapping of str to sequence
        Values of each setting of `OF_ADAPTER` and `OF_LEARNING` that varies.
    adapter, config
        All other settings, as in `train.train`.
    seeds : int
        How many of each.
    out : path, optional
        Folder for the sweep; a new one under ``runs/<task>`` by default.
    resume : bool
        Go on with an interrupted sweep in `out`.
    track : str, optional
        As in `train.train`.

    Raises
    ------
    UnknownNameError
        A setting cannot be varied.
    InputError
        A combination is not possible, or a setting has no value.
    StoppedError
        A signal came; progress is saved in the sweep's folder.
    """
    grid_points = combinations(grid)
    with ranks(config.device) as group, stop_requests() as stop:
        folder = group.same(sweep_folder(inputs, out, resume=resume))
        settings = [Setting(values, folder / setting_name(values)) for values in grid_points]
        members = [members_of(inputs, setting, adapter, config, seeds) for setting in settings]
        with (
            saying_how_to_resume(folder),
            tracker(track if group.rank == 0 else None, inputs.task.name, folder / "tracked") as to,
        ):
            runs = fit_many(
                inputs.task,
                inputs.embeddings,
                inputs.tokens,
                [member for setting_members in members for member in setting_members],
                folder,
                resume=resume,
                compositions=inputs.compositions,
                stop=lambda: bool(stop),
                progress=progress,
                ranks=group,
                tracker=to,
            )
        report = None
        if group.rank == 0:
            of_each = [runs[start : start + seeds] for start in range(0, len(runs), seeds)]
            report = sweep_report(folder, inputs, settings, of_each)
        return cast(SweepReport, group.same(report))


def sweep_folder(inputs: Inputs, out: Path | None, *, resume: bool) -> Path:
    """Folder of a sweep, a new one by default; raises `InputError` where it cannot begin there."""
    folder = out or Path("runs") / inputs.task.name / f"sweep-{moment()}"
    if (folder / RECORD).exists():
        raise InputError(f"'{folder}' holds a sweep already. Name another folder with --out")
    check_folder(folder, resume=resume)
    return folder


def setting_name(setting: Mapping[str, Any]) -> str:
    """A setting as a file name and a table may have it, such as ``lr=0.0005,alphabets=dssp``."""
    return ",".join(f"{name}={_value(value)}" for name, value in setting.items()) or "only"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(value) or "none"
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)


def check_names(varied: Mapping[str, Sequence[Any]]) -> None:
    """Raise for a setting that cannot be varied, or has no value."""
    for name, values in varied.items():
        if name not in (*OF_ADAPTER, *OF_LEARNING):
            raise UnknownNameError("setting to sweep", name, (*OF_ADAPTER, *OF_LEARNING))
        if not values:
            raise InputError(f"no value of {name} to try")


def combinations(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of a grid's values; raises `InputError` for what cannot be."""
    check_names(grid)
    for name, values in grid.items():
        if any(isinstance(value, Range) for value in values):
            raise InputError(
                f"{name} is given a range, which a grid cannot try out. List values, such as "
                f"1e-4,5e-4, or search with --search 30"
            )
    return [
        dict(zip(grid, values, strict=True))
        for values in itertools.product(*(dict.fromkeys(values) for values in grid.values()))
    ]


def members_of(
    inputs: Inputs,
    setting: Setting,
    adapter: Mapping[str, Any],
    config: FitConfig,
    seeds: int,
) -> list[Member]:
    """Adapters of one setting, by several seeds; raises `InputError` if it is not possible."""
    of_adapter = {name: value for name, value in setting.values.items() if name in OF_ADAPTER}
    of_learning = {name: value for name, value in setting.values.items() if name in OF_LEARNING}
    shape: AdapterConfig = adapter_shape(inputs, {**adapter, **of_adapter})
    learning = replace(config, **of_learning)
    return [
        Member(shape, seed_config, setting.folder / f"seed-{seed_config.seed}")
        for seed_config in with_seeds(learning, seeds)
    ]


def sweep_report(
    folder: Path, inputs: Inputs, settings: Sequence[Setting], runs: Sequence[Sequence[Run]]
) -> SweepReport:
    """Report of a sweep, saved in its folder.

    Parameters
    ----------
    folder : path
        Of the sweep.
    inputs : Inputs
        What was trained on.
    settings : sequence of Setting
        What was tried.
    runs : sequence of sequence of Run
        The runs of each, one a seed.
    """
    monitor = inputs.task.monitor
    report = SweepReport(
        run=str(folder),
        task=inputs.task.name,
        monitor=monitor,
        swept=list(settings[0].values),
        seconds_per_epoch=max(
            run.timings["seconds_per_epoch"] for setting_runs in runs for run in setting_runs
        ),
        adapters=sum(map(len, runs)),
    )
    ranked: list[tuple[float, dict[str, Any]]] = []
    for setting, setting_runs in zip(settings, runs, strict=True):
        group: TrainReport = summary(setting.folder, setting_runs)
        entry = {"setting": dict(setting.values), **group.to_json()}
        ranked.append((group.metrics["valid"][monitor], entry))
    ranked.sort(key=lambda pair: pair[0], reverse=monitor not in HIGHER_IS_WORSE)
    report.settings = [entry for _, entry in ranked]
    record = json.dumps(without_nan(asdict(report)), indent=1)
    replace_file(folder / RECORD, record.encode() + b"\n")
    return report
