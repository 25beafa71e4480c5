"""What every study takes: settings of what is trained, and the place it writes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..progress import SILENT, Progress
from ..training.fit_config import FitConfig


@dataclass(frozen=True)
class StudySettings:
    """What all studies take.

    Parameters
    ----------
    task : str
        A task of the store.
    plm : str, optional
        The encoder; the store's only one by default.
    sources : tuple of str
        Sources of structures; those of the store that have tokens of the task's proteins by
        default.
    seeds : int
        Runs of each arm.
    adapter : mapping
        Settings of `AdapterConfig` that all arms share, such as ``heads``.
    fit : FitConfig
        How arms learn.
    """

    task: str
    plm: str | None = None
    sources: tuple[str, ...] = ()
    seeds: int = 5
    adapter: Mapping[str, Any] = field(default_factory=dict)
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        if isinstance(self.sources, str):  # one, not its letters
            object.__setattr__(self, "sources", (self.sources,))


@dataclass(frozen=True)
class Place:
    """Where a study writes, and whom it tells.

    Parameters
    ----------
    out : path, optional
        Folder of the study; a new one under ``runs/<task>`` by default.
    resume : bool
        Go on with an interrupted study in `out`; what is finished is not done again.
    progress : Progress
        Told about the work.
    baselines : bool
        Set simple models beside the best arm.
    """

    out: Path | None = None
    resume: bool = False
    progress: Progress = SILENT
    baselines: bool = False
