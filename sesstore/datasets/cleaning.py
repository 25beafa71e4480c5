"""A cleaned copy of data: what cannot be right is dropped, every change written down.

In this order: names whose sequence differs between sources go from all of them; sequences with
differing labels go; a sequence in several splits stays in test, else valid, and with it its nearly
equal ones; repeats go; names of several sequences are numbered. Labels that mislead and structures
that lack are for people to mend.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..alphabets import ALPHABETS
from ..errors import InputError
from ..residues import StructureTokens
from ..tasks import IGNORED, Task, plain_label, split_rank
from .checksequences import best_splits, near_clusters
from .checksources import differing_names
from .diagnosis import DataSet
from .findings import Row, rows_of
from .records import TOKEN_COLUMNS

CHANGES = "changes.jsonl"


@dataclass(frozen=True)
class Change:
    """What was done to one row.

    Parameters
    ----------
    split, name : str
        Where it stood, and what it was called.
    done : str
        ``"dropped: ..."`` with the reason, or ``"named ..."``.
    """

    split: str
    name: str
    done: str


def clean(data: Sequence[DataSet]) -> Iterator[tuple[list[Row], list[Change]]]:
    """Yield for each data set the rows to keep, under their new names, and what changed."""
    odd = differing_names([data_set.task for data_set in data])
    for data_set in data:
        rows, changes = rows_of(data_set.task), []
        for reason, wrong in _rules(data_set, odd):
            refused = wrong(rows)
            changes += [
                Change(row.split, row.id, f"dropped: {reason}")
                for row, out in zip(rows, refused, strict=True)
                if out
            ]
            rows = [row for row, out in zip(rows, refused, strict=True) if not out]
        yield _numbered(rows, changes), changes


def write_clean(
    folder: Path,
    data: Sequence[DataSet],
    tokens: Sequence[Mapping[bytes, StructureTokens]],
) -> dict[str, Any]:
    """Write a cleaned copy: ``train.jsonl`` and so on, and ``changes.jsonl``.

    Parameters
    ----------
    folder : path
        New or empty. Several data sets get a folder each in it.
    data : sequence of DataSet
        What to clean.
    tokens : sequence of mapping of bytes to StructureTokens
        Tokens that came with each, by digest; they are written beside the rows.

    Returns
    -------
    dict
        By data set's name the rows kept by split, and how often each thing was done.

    Raises
    ------
    InputError
        The folder is not empty, or would be left without train rows.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"'{folder}' is there already. Name a new or an empty folder with --fix")
    copies = list(clean(data))
    for data_set, (rows, _) in zip(data, copies, strict=True):
        if not any(row.split == "train" for row in rows):
            raise InputError(f"no train row of {data_set.name} would be left: nothing is written")
    summaries = {}
    for data_set, (rows, changes), codes in zip(data, copies, tokens, strict=True):
        place = folder if len(data) == 1 else folder / data_set.name
        place.mkdir(parents=True, exist_ok=True)
        split_sizes = Counter(row.split for row in rows)
        for split in split_sizes:
            lines = (_line(row, data_set, codes) for row in rows if row.split == split)
            _write(place / f"{split}.jsonl", lines)
        _write(place / CHANGES, (vars(change) for change in changes))
        often = Counter(_kind(change) for change in changes)
        summaries[data_set.name] = {
            "folder": str(place),
            "rows": dict(split_sizes),
            "changes": dict(often),
        }
    return summaries


def _rules(
    data: DataSet, odd: set[str]
) -> Iterator[tuple[str, Callable[[Sequence[Row]], list[bool]]]]:
    homes = best_splits(data.task)
    clusters = near_clusters(data.task, data.sequences)
    yield "its sequence differs between sources", lambda rows: [row.id in odd for row in rows]
    yield "its sequence has differing labels", _conflicting
    yield (
        "its sequence is in a later split, too",
        lambda rows: [split_rank(row.split) < split_rank(homes[row.digest]) for row in rows],
    )
    yield (
        "nearly equal to a protein of a later split",
        lambda rows: _behind(rows, [clusters[row.digest] for row in rows]),
    )
    yield "repeats a row", _repeats


def _conflicting(rows: Sequence[Row]) -> list[bool]:
    labels: dict[bytes, set[str]] = {}
    for row in rows:
        labels.setdefault(row.digest, set()).add(row.label)
    return [len(labels[row.digest]) > 1 for row in rows]


def _behind(rows: Sequence[Row], clusters: Sequence[int]) -> list[bool]:
    """Whether a row's cluster has a row in a later split."""
    last: dict[int, int] = {}
    for row, number in zip(rows, clusters, strict=True):
        last[number] = max(last.get(number, 0), split_rank(row.split))
    pairs = zip(rows, clusters, strict=True)
    return [split_rank(row.split) < last[number] for row, number in pairs]


def _repeats(rows: Sequence[Row]) -> list[bool]:
    """Whether an earlier row of its split has the same protein; all left have one label."""
    first = {(r.split, r.digest): place for place, r in reversed(list(enumerate(rows)))}
    return [first[row.split, row.digest] != place for place, row in enumerate(rows)]


def _numbered(rows: Sequence[Row], changes: list[Change]) -> list[Row]:
    """Give each name to one row only; adds what was done to `changes`."""
    names, often, numbered = {row.id for row in rows}, Counter[str](), []
    for row in rows:
        often[row.id] += 1
        name = row.id
        while often[row.id] > 1 and name in names:
            name = f"{row.id}~{often[row.id]}"
            often[row.id] += name in names
        if name != row.id:
            changes.append(Change(row.split, row.id, f"named {name}"))
        names.add(name)
        numbered.append(replace(row, id=name))
    return numbered


def _kind(change: Change) -> str:
    return change.done if change.done.startswith("dropped") else "named anew"


def _line(row: Row, data: DataSet, codes: Mapping[bytes, StructureTokens]) -> dict[str, Any]:
    label = data.task.splits[row.split].labels[row.place]
    line = {"name": row.id, "aa_seq": data.sequences[row.digest]}
    if row.digest in codes:
        have = codes[row.digest].codes
        line |= {
            column: ALPHABETS[a.name].decode(have[a.name][0])
            for column, a in TOKEN_COLUMNS.items()
            if a.name in have
        }
    return {**line, "label": written_label(label, data.task)}


def written_label(label: Any, task: Task) -> Any:
    """A label as `LabelReader` reads it back: class names, numbers, or lists of these."""
    if isinstance(label, np.ndarray) and label.dtype.kind != "f":
        return [None if n == IGNORED else task.classes[n] for n in label.tolist()]
    if isinstance(label, np.ndarray) or task.problem.is_regression:
        return plain_label(label)
    return [task.classes[n] for n in label] if isinstance(label, tuple) else task.classes[label]


def _write(path: Path, lines: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
