"""Arms of a study: settings to be compared, each trained by several seeds, many on one stream.

A *trial* is what learns from one stream of batches: its arms share embeddings, tokens and batches.
A trial's folder holds ``<arm>/seed-<n>/`` for each run. A trial whose runs are all there is not
trained again; one that was interrupted goes on from its last batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapter.model import Adapter
from ..errors import InputError
from ..jobs.inputs import Inputs
from ..jobs.signals import stop_requests
from ..jobs.training.train import adapter_shape
from ..progress import SILENT, Progress
from ..training.fit import Member, fit_unless_done
from ..training.fit_config import FitConfig
from ..training.learner import with_seeds
from ..training.runs import RECORD, Run


@dataclass(frozen=True)
class Arm:
    """One setting.

    Parameters
    ----------
    name : str
        Names it in sentences and figures, and its folder.
    factors : mapping
        What tells it from the other arms: its first columns in the table.
    adapter : mapping
        Settings of `AdapterConfig` beside those that the data decide.
    """

    name: str
    factors: Mapping[str, Any]
    adapter: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Trial:
    """Arms on one stream.

    Parameters
    ----------
    name : str
        Of its folder.
    inputs : Inputs
        What they learn from.
    arms : sequence of Arm
    fit : FitConfig
        How they learn; its seed is the first.
    seeds : int
        Runs of each arm.
    """

    name: str
    inputs: Inputs
    arms: Sequence[Arm]
    fit: FitConfig
    seeds: int


Runs = dict[str, list[Run]]
"""Runs of each arm by its name, a run a seed."""


def train_trial(trial: Trial, folder: Path, *, progress: Progress = SILENT) -> Runs:
    """Train a trial, or what is left of it.

    Parameters
    ----------
    trial : Trial
    folder : path
        Of the study; the trial has a folder of its own in it.
    progress : Progress
        Told about residues trained on.

    Raises
    ------
    InputError
        Two arms have one name, or an interrupted trial was begun with other settings.
    StoppedError
        A signal came; progress is saved.
    """
    names = [arm.name for arm in trial.arms]
    if len(set(names)) < len(names):
        raise InputError(f"two arms of '{trial.name}' have one name: {', '.join(names)}")
    out = folder / file_name(trial.name)
    members = {arm.name: _members(trial, arm, out) for arm in trial.arms}
    all_members = [member for group in members.values() for member in group]
    tokens = trial.inputs.tokens if any(m.adapter.alphabets for m in all_members) else None
    if not all((member.out / RECORD).is_file() for member in all_members):
        progress.note(f"{trial.name}: {len(all_members)} adapters on one stream")
    with stop_requests() as stop:
        fit_unless_done(
            trial.inputs.task,
            trial.inputs.embeddings,
            tokens,
            all_members,
            out,
            compositions=trial.inputs.compositions,
            stop=lambda: bool(stop),
            progress=progress,
        )
    return {name: [Run.load(m.out) for m in group] for name, group in members.items()}


def _members(trial: Trial, arm: Arm, out: Path) -> list[Member]:
    shape = adapter_shape(trial.inputs, arm.adapter)
    return [
        Member(shape, config, out / file_name(arm.name) / f"seed-{config.seed}")
        for config in with_seeds(trial.fit, trial.seeds)
    ]


def parameter_count(inputs: Inputs, arm: Arm) -> int:
    """Parameters of an arm's adapter on these embeddings."""
    adapter = Adapter(adapter_shape(inputs, arm.adapter))
    return sum(parameter.numel() for parameter in adapter.parameters())


def file_name(name: str) -> str:
    """A name as a folder may have it: spaces and slashes become dashes."""
    return "".join("-" if letter in " /\\:" else letter for letter in name.replace(", ", ","))
