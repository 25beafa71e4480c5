"""The runs of a training by several seeds, found by the folder that holds them; how they scatter.

Reading records imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError, MissingFileError
from .foldruns import FoldsRecord, check_finished
from .runs import RECORD, STATE, Run


def deviation(values: Sequence[float]) -> float:
    """Standard deviation over two seeds or more; NaN where a metric was not defined."""
    return float(np.std(values, ddof=1))


def between(bounds: Sequence[float | None], digits: int = 4, *, signed: bool = False) -> str:
    """An interval as people read it; a dash where there is none (NaN, or None out of JSON)."""
    low, high = bounds
    if low is None or high is None or low != low or high != high:
        return "-"
    sign = "+" if signed else ""
    return f"{low:{sign}.{digits}f} to {high:{sign}.{digits}f}"


def runs_at(path: Path | str) -> list[Run]:
    """Read the run in a folder, or those of all seeds of a training.

    Parameters
    ----------
    path : path
        What `sesstore train` printed.

    Raises
    ------
    MissingFileError
        There is no run.
    InputError
        A record is broken, or the seeds were not trained on the same.
    """
    path = Path(path)
    check_finished(path)
    seeds = sorted(path.glob(f"seed-*/{RECORD}"), key=_number)
    if not (path / RECORD).is_file() and not seeds:
        _say_what_is_there(path)
    if (path / RECORD).is_file() or not seeds:
        return [Run.load(path)]
    runs = [Run.load(record.parent) for record in seeds]
    first = runs[0]
    for run in runs[1:]:
        if (run.task, run.fingerprint, run.source) != (first.task, first.fingerprint, first.source):
            raise InputError(
                f"'{run.path}' and '{first.path}' are of different trainings. Name one of them"
            )
    return runs


def fold_runs(path: Path) -> list[list[Run]]:
    """Runs of each fold of a cross-validation, a run a seed; empty if the folder holds none."""
    record = FoldsRecord.load(path)
    count = 0 if record is None else int(record.settings["folds"])
    return [runs_at(path / f"fold-{place + 1}") for place in range(count)]


def _say_what_is_there(path: Path) -> None:
    """Raise where a folder holds trainings but is none: an unfinished one, or several."""
    if (path / STATE).is_file():
        raise MissingFileError(
            f"the training in '{path}' is not finished. Go on with it by the same command with "
            f"--out {path} --resume"
        )
    depths = ("*", "*/*", "*/*/*")  # of runs/, and no deeper: the folder may be anything
    records = (record for depth in depths for record in path.glob(f"{depth}/{RECORD}"))
    runs = sorted({_training(record.parent) for record in records})
    if runs:
        raise MissingFileError(
            f"'{path}' is no run, but holds {len(runs):,} runs. Name one of them, such as "
            f"'{runs[0]}'"
        )


def _training(folder: Path) -> Path:
    """Folder of the training a run belongs to."""
    return folder.parent if folder.name.startswith("seed-") else folder


def _number(record: Path) -> tuple[int, str]:
    name = record.parent.name
    digits = name.removeprefix("seed-")
    return (int(digits) if digits.isdecimal() else 0, name)
