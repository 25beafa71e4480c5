"""Labelled tasks of a store: JSON lines, one row a line.

The first line is the task without its rows, the last one the SHA-256 of all lines before it, so a
cut or changed file is noticed. Written in one atomic step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ..durable_files import make_folder
from ..errors import CorruptStoreError
from ..provenance import canonical_json
from ..tasks import Problem, Split, Task, plain_label
from .access import system_errors
from .atomic_files import replace_file
from .manifest import entered

_FORMAT = 1


def write_task(path: Path, task: Task) -> None:
    """Write a task's file, replacing what is there.

    Raises
    ------
    StorageFullError
        No space left; the old file is still there.
    """
    body = "".join(line + "\n" for line in _lines(task)).encode()
    with system_errors(path):
        make_folder(path.parent)
    with entered(path, rows=sum(map(len, task.splits.values()))):
        replace_file(path, body + _footer(body))


def read_task(path: Path) -> Task:
    """Read a task's file.

    Raises
    ------
    CorruptStoreError
        It is not what was written.
    FileNotFoundError
        There is none.
    """
    with system_errors(path):
        raw = path.read_bytes()
    body = raw[: raw.rstrip(b"\n").rfind(b"\n") + 1]
    if raw != body + _footer(body):
        raise CorruptStoreError(
            f"{path} is not what was written. Remove it and add the task again with `sesstore add`"
        )
    try:
        head, *rows = [json.loads(line) for line in body.splitlines()]
        return _task(head, rows)
    except (ValueError, KeyError, TypeError) as problem:
        raise CorruptStoreError(
            f"{path} holds no task this version reads ({problem}). Install the sesstore that wrote "
            f"it, or add the task again with `sesstore add`"
        ) from problem


def _footer(body: bytes) -> bytes:
    return canonical_json({"sha256": sha256(body).hexdigest()}).encode() + b"\n"


def _lines(task: Task) -> Iterator[str]:
    yield canonical_json(_head(task))
    for name, split in task.splits.items():
        groups = split.groups or [None] * len(split)
        columns = zip(split.ids, split.digests, split.labels, groups, strict=True)
        for name_in_file, digest, label, group in columns:
            row = {"split": name, "id": name_in_file, "digest": digest.tobytes().hex()}
            row |= {"group": group} if group is not None else {}
            yield canonical_json({**row, "label": plain_label(label)})


def _head(task: Task) -> dict[str, Any]:
    head: dict[str, Any] = {
        "sesstore_task": _FORMAT,
        "name": task.name,
        "problem": str(task.problem),
        "classes": list(task.classes),
        "metrics": list(task.metrics),
        "monitor": task.monitor,
        "citation": task.citation,
        "notes": list(task.notes),
        "splits": {name: len(split) for name, split in task.splits.items()},
    }
    # Absent where there is none: such files stay as earlier versions wrote them.
    further = {"source": task.source, "split_by": task.split_by}
    return head | {name: value for name, value in further.items() if value is not None}


def _task(head: dict[str, Any], rows: list[dict[str, Any]]) -> Task:
    if head["sesstore_task"] != _FORMAT:
        raise ValueError(f"format {head['sesstore_task']}")
    problem = Problem(head["problem"])
    splits = {name: _split(problem, name, rows) for name in _in_order(head["splits"], rows)}
    return Task(
        name=head["name"],
        problem=problem,
        classes=tuple(head["classes"]),
        splits=splits,
        metrics=tuple(head["metrics"]),
        monitor=head["monitor"],
        citation=head["citation"],
        notes=tuple(head["notes"]),
        source=head.get("source"),
        split_by=head.get("split_by"),
    )


def _in_order(counts: dict[str, int], rows: list[dict[str, Any]]) -> list[str]:
    """Names of the splits as they come in the rows; empty ones last."""
    return list(dict.fromkeys([row["split"] for row in rows] + list(counts)))


def _split(problem: Problem, name: str, rows: list[dict[str, Any]]) -> Split:
    split_rows = [row for row in rows if row["split"] == name]
    digests = bytes.fromhex("".join(row["digest"] for row in split_rows))
    return Split(
        ids=tuple(row["id"] for row in split_rows),
        digests=np.frombuffer(digests, np.uint8).reshape(-1, 32),
        labels=[_label(problem, row["label"]) for row in split_rows],
        groups=tuple(row["group"] for row in split_rows if "group" in row),
    )


def _label(problem: Problem, label: Any) -> Any:
    match problem:
        case Problem.MULTI_LABEL:
            return tuple(label)
        case Problem.RESIDUE_SINGLE_LABEL:
            return np.asarray(label, np.int64)
        case Problem.RESIDUE_REGRESSION:
            return np.asarray([np.nan if v is None else v for v in label], np.float32)
        case _:
            return label
