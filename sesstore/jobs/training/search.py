"""Search settings by Optuna's tree-structured Parzen estimator, some adapters a stream at a time.

Trials are asked for in groups; a group learns from one stream, as a sweep does, and is told what it
reached on valid. The same seed asks for the same trials, so an interrupted search goes on by asking
again: groups that are finished are read, not trained.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...errors import InputError, MissingExtraError
from ...progress import SILENT, Progress
from ...training.fit import Member, fit_many, load_runs
from ...training.fit_config import FitConfig
from ...training.metrics import HIGHER_IS_WORSE
from ...training.ranks import started_by_torchrun
from ...training.runs import RECORD, Run
from ..inputs import Inputs
from ..signals import saying_how_to_resume, stop_requests
from .sweep import Range, Setting, SweepReport, check_names, members_of, sweep_folder, sweep_report

TOGETHER = 6
"""Trials of a group: what is learned from one of them serves only the groups after it."""
_BY_FACTORS = ("lr", "weight_decay")


def search(
    inputs: Inputs,
    space: Mapping[str, Sequence[Any]],
    adapter: Mapping[str, Any],
    config: FitConfig,
    *,
    trials: int = 30,
    seeds: int = 1,
    out: Path | None = None,
    resume: bool = False,
    progress: Progress = SILENT,
) -> SweepReport:
    """Try out settings, each where those before did well on valid.

    Parameters
    ----------
    inputs, adapter, config, seeds, out, resume
        As in `sweep.sweep`.
    space : mapping of str to sequence
        For each setting its values to choose from, or one `Range`.
    trials : int
        How many settings to try.

    Returns
    -------
    SweepReport
        As of a sweep, the best on valid first.

    Raises
    ------
    MissingExtraError
        Optuna is not installed.
    UnknownNameError, InputError
        A setting cannot be varied, has no value, or nothing that was tried is possible; or what is
        finished of an interrupted search was trained by other settings.
    StoppedError
        A signal came; what is finished stays, progress of the rest is saved.
    """
    check_names(space)
    if not space:
        raise InputError("there is nothing to search. Give values or ranges: --lr 1e-5..1e-2")
    if started_by_torchrun():
        raise InputError("a search runs in one process. Start it without torchrun")
    study = _study(inputs.task.monitor, config.seed)
    folder = sweep_folder(inputs, out, resume=resume)
    run = _Search(inputs, space, adapter, config, seeds, folder, study)
    with saying_how_to_resume(folder), stop_requests() as stop:
        for first in range(0, trials, TOGETHER):
            count = min(TOGETHER, trials - first)
            progress.note(f"trials {first + 1} to {first + count} of {trials}")
            run.group(count, resume, lambda: bool(stop), progress)
    if not run.runs:
        raise InputError("no setting that was tried is possible. Give other values")
    if run.impossible:
        progress.note(
            f"{len(run.impossible)} of {trials} settings are not possible and were left out, "
            f"such as: {run.impossible[0]}"
        )
    return sweep_report(run.folder, inputs, run.settings, run.runs)


@dataclass
class _Search:
    """A search under way."""

    inputs: Inputs
    space: Mapping[str, Sequence[Any]]
    adapter: Mapping[str, Any]
    config: FitConfig
    seeds: int
    folder: Path
    study: Any
    settings: list[Setting] = field(default_factory=list)
    runs: list[Sequence[Run]] = field(default_factory=list)
    impossible: list[str] = field(default_factory=list)

    def group(self, count: int, resume: bool, stop: Callable[[], bool], progress: Progress) -> None:
        """Ask for some trials, train them on one stream, and tell what they reached."""
        trials = [self.study.ask() for _ in range(count)]
        settings = [(trial, self._setting(trial)) for trial in trials]
        candidates = [
            (trial, setting, self._members(trial, setting)) for trial, setting in settings
        ]
        possible = [candidate for candidate in candidates if candidate[2]]
        all_members = [member for _, _, members in possible for member in members]
        runs = iter(self._trained(all_members, resume, stop, progress))
        for trial, setting, members in possible:
            seed_runs = [next(runs) for _ in members]
            values = [run.metrics["valid"][self.inputs.task.monitor] for run in seed_runs]
            self.study.tell(trial, statistics.fmean(values))
            self.settings.append(setting)
            self.runs.append(seed_runs)

    def _setting(self, trial: Any) -> Setting:
        values = {name: _suggest(trial, name, choices) for name, choices in self.space.items()}
        return Setting(values, self.folder / f"trial-{trial.number:03d}")

    def _members(self, trial: Any, setting: Setting) -> list[Member]:
        """The trial's adapters; none, and told so, if its setting is not possible."""
        from optuna.trial import TrialState

        try:
            return members_of(self.inputs, setting, self.adapter, self.config, self.seeds)
        except InputError as problem:
            self.study.tell(trial, state=TrialState.FAIL)
            self.impossible.append(str(problem))
            return []

    def _trained(
        self, members: list[Member], resume: bool, stop: Callable[[], bool], progress: Progress
    ) -> list[Run]:
        if not members:
            return []
        inputs = self.inputs
        if resume and all((member.out / RECORD).exists() for member in members):
            return load_runs(inputs.task, inputs.embeddings, inputs.tokens, members)
        return fit_many(
            inputs.task,
            inputs.embeddings,
            inputs.tokens,
            members,
            self.folder,
            resume=resume,
            compositions=inputs.compositions,
            stop=stop,
            progress=progress,
        )


def _study(monitor: str, seed: int) -> Any:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("a search", "sweep") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    direction: Literal["minimize", "maximize"] = (
        "minimize" if monitor in HIGHER_IS_WORSE else "maximize"
    )
    return optuna.create_study(direction=direction, sampler=sampler)


def _suggest(trial: Any, name: str, choices: Sequence[Any]) -> Any:
    """The trial's value of a setting."""
    if not any(isinstance(value, Range) for value in choices):
        return choices[trial.suggest_categorical(name, list(range(len(choices))))]
    if len(choices) > 1:
        raise InputError(
            f"{name} has a range and other values. Give either one range or values, not both"
        )
    (interval,) = choices
    by_factors = name in _BY_FACTORS and interval.low > 0
    return trial.suggest_float(name, interval.low, interval.high, log=by_factors)
