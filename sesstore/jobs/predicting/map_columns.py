"""What is known of the proteins of a map: columns of a task, and of files joined by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.columns import COLUMN_NAMES, goes_by
from ...datasets.readers import read_rows
from ...errors import InputError
from ...exchange.protein_maps import SEVERAL, Column
from ...tasks import Task, first_labels, readable_label


def task_columns(task: Task, digests: NDArray[np.uint8]) -> dict[str, Column]:
    """Label of each protein, where it has one of its own, and split; of repeats the first."""
    labels_of = first_labels(task)
    entries = [labels_of[row.tobytes()] for row in digests]
    splits: dict[str, Column] = {"split": [name for name, _ in entries]}
    if task.problem.per_residue:
        return splits
    columns: dict[str, Column] = {}
    labels = [label for _, label in entries]
    if task.problem.is_regression:
        columns[task.name] = [float(label) for label in labels]
    else:
        words = [readable_label(label, task) for label in labels]
        texts = [SEVERAL.join(word) if isinstance(word, list) else word for word in words]
        columns[task.name] = [text or None for text in texts]
    return columns | splits


def table_columns(path: Path, ids: Sequence[str]) -> tuple[dict[str, Column], int]:
    """Columns of a file for the proteins of these ids, and how many of its rows are of none.

    The column of ids is the first that has one of the names ids go by, else the first of all. Of
    rows of one id the last counts. A column is of numbers if all it holds are.

    Raises
    ------
    InputError, RecordError, MissingFileError
        The file cannot be read, or has no column beside the ids.
    """
    places = {name: i for i, name in enumerate(ids)}
    entries: dict[int, Mapping[str, Any]] = {}
    key, unmatched = "", 0
    for _, row in read_rows(path):
        named = (name for name in row if goes_by(str(name), COLUMN_NAMES["id"]))
        key = key or next(named, next(iter(row)))
        place = places.get(str(row.get(key, "")).strip())
        if place is None:
            unmatched += 1
        else:
            entries[place] = row
    names = list(dict.fromkeys(name for row in entries.values() for name in row if name != key))
    if entries and not names:
        raise InputError(f"'{path}' has ids and nothing else to show. Give it a column of values")
    if not entries:
        raise InputError(
            f"'{path}' has no row of a protein of the map by its column '{key}'. Its ids must be "
            f"those of the proteins, such as '{ids[0]}'"
        )
    columns: dict[str, Column] = {}
    for name in names:
        texts = [_text(entries.get(i, {}).get(name)) for i in range(len(ids))]
        columns[str(name)] = _numbers(texts) or texts
    return columns, unmatched


def _text(value: Any) -> str | None:
    text = "" if value is None else str(value).strip()
    return text or None


def _numbers(texts: Sequence[str | None]) -> list[float | None]:
    """The texts as numbers; empty if one is none, or is not finite."""
    try:
        numbers = [None if text is None else float(text) for text in texts]
    except ValueError:
        return []
    return numbers if all(n is None or np.isfinite(n) for n in numbers) else []
