"""Labels as files write them (int, float, list, ``"18,117"``) to labels as tasks hold them."""

from __future__ import annotations

import math
from typing import Any

from ..errors import InputError
from ..tasks import Problem


def parse_label(raw: Any, problem: Problem, n_classes: int) -> int | float | tuple[int, ...]:
    """Read one protein's label.

    Parameters
    ----------
    raw : object
        As read from the file.
    problem : Problem
        A whole-protein problem.
    n_classes : int
        Labels run from 0 to one less.

    Returns
    -------
    int, float or tuple of int
        For single label, regression and multi label.

    Raises
    ------
    InputError
        It is missing, of the wrong kind or out of range.
    """
    if problem is Problem.REGRESSION:
        return _number(raw)
    if problem is Problem.MULTI_LABEL:
        words = raw.strip("[] ").split(",") if isinstance(raw, str) else raw
        words = words if isinstance(words, list | tuple) else [words]
        return tuple(sorted({_class(word, n_classes) for word in words if word != ""}))
    return _class(raw, n_classes)


def _number(raw: Any) -> float:
    try:
        value = float(raw)
    except (TypeError, ValueError):
        raise InputError(f"label {raw!r} is no number") from None
    if isinstance(raw, bool) or not math.isfinite(value):
        raise InputError(f"label {raw!r} is no finite number")
    return value


def _class(raw: Any, n_classes: int) -> int:
    if raw is None or raw == "":
        raise InputError("no label. Give each record one, or remove it")
    value = _number(raw)
    if value != int(value):
        raise InputError(f"label {raw!r} is no whole number, and classes are numbered")
    if not 0 <= value < n_classes:
        raise InputError(f"label {int(value)} is out of range: this task has 0 to {n_classes - 1}")
    return int(value)
