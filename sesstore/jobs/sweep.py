"""Train a grid of adapters on one stream: every batch is read once and fed to all.

What differs between them is their own (learning rate, pooling, structure, heads, ...); batch size,
masking and residency are the stream's. Seeds of one setting are averaged.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ..adapter.model import AdapterConfig
from ..errors import InputError, UnknownNameError
from ..progress import SILENT, Progress
from ..training.fit import Member, fit_many
from ..training.learner import FitConfig, with_seeds
from ..training.metrics import HIGHER_IS_WORSE
from ..training.runs import Run, write_atomically
from .inputs import Inputs
from .signals import stop_requests
from .train import TrainReport, adapter_shape, summary

RECORD = "sweep.json"
OF_ADAPTER = ("alphabets", "pooling", "heads", "width", "dropout", "modality_dropout")
OF_LEARNING = ("lr", "weight_decay", "schedule", "warmup", "clip", "focal")


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

    Raises
    ------
    UnknownNameError
        A setting cannot be varied.
    InputError
        A combination is not possible, or a setting has no value.
    StoppedError
        A signal came; progress is saved in the sweep's folder.
    """
    combinations = _combinations(grid)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = out or Path("runs") / inputs.task.name / f"sweep-{stamp}"
    if (folder / RECORD).exists():
        raise InputError(f"'{folder}' holds a sweep already. Name another folder with --out")
    members = [_members(inputs, one, adapter, config, seeds, folder) for one in combinations]
    with stop_requests() as stop:
        runs = fit_many(
            inputs.task,
            inputs.embeddings,
            inputs.tokens,
            [member for group in members for member in group],
            folder,
            resume=resume,
            stop=lambda: bool(stop),
            progress=progress,
        )
    report = _report(folder, inputs, combinations, runs, seeds)
    write_atomically(folder / RECORD, json.dumps(asdict(report), indent=1).encode() + b"\n")
    return report


def named(setting: Mapping[str, Any]) -> str:
    """A setting as a file name and a table may have it, such as ``lr=0.0005,alphabets=dssp``."""
    return ",".join(f"{name}={_value(value)}" for name, value in setting.items()) or "only"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _combinations(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    for name, values in grid.items():
        if name not in (*OF_ADAPTER, *OF_LEARNING):
            raise UnknownNameError("setting to sweep", name, (*OF_ADAPTER, *OF_LEARNING))
        if not values:
            raise InputError(f"no value of {name} to try")
    return [
        dict(zip(grid, values, strict=True))
        for values in itertools.product(*(dict.fromkeys(values) for values in grid.values()))
    ]


def _members(
    inputs: Inputs,
    setting: Mapping[str, Any],
    adapter: Mapping[str, Any],
    config: FitConfig,
    seeds: int,
    folder: Path,
) -> list[Member]:
    of_adapter = {name: value for name, value in setting.items() if name in OF_ADAPTER}
    of_learning = {name: value for name, value in setting.items() if name in OF_LEARNING}
    shape: AdapterConfig = adapter_shape(inputs, {**adapter, **of_adapter})
    learning = replace(config, **of_learning)
    return [
        Member(shape, one, folder / named(setting) / f"seed-{one.seed}")
        for one in with_seeds(learning, seeds)
    ]


def _report(
    folder: Path,
    inputs: Inputs,
    combinations: Sequence[Mapping[str, Any]],
    runs: Sequence[Run],
    seeds: int,
) -> SweepReport:
    monitor = inputs.task.monitor
    report = SweepReport(
        str(folder), inputs.task.name, monitor, list(combinations[0]), adapters=len(runs)
    )
    report.seconds_per_epoch = max(run.timings["seconds_per_epoch"] for run in runs)
    found: list[tuple[float, dict[str, Any]]] = []
    for place, setting in enumerate(combinations):
        group: TrainReport = summary(
            folder / named(setting), runs[place * seeds : (place + 1) * seeds]
        )
        entry = {f.name: getattr(group, f.name) for f in fields(group)}
        found.append((group.metrics["valid"][monitor], {"setting": dict(setting), **entry}))
    found.sort(key=lambda pair: pair[0], reverse=monitor not in HIGHER_IS_WORSE)
    report.settings = [entry for _, entry in found]
    return report
