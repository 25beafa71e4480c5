"""The runs of a training by several seeds, found by the folder that holds them; how they scatter.

Reading records imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from .runs import RECORD, Run


def deviation(values: Sequence[float]) -> float:
    """Standard deviation over two seeds or more; NaN where a metric was not defined."""
    return float(np.std(values, ddof=1))


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
    seeds = sorted(path.glob(f"seed-*/{RECORD}"), key=_number)
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


def _number(record: Path) -> tuple[int, str]:
    name = record.parent.name
    digits = name.removeprefix("seed-")
    return (int(digits) if digits.isdecimal() else 0, name)
