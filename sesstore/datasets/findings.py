"""What a doctor says of a data set: one finding a thing that is odd, with why and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ..tasks import Task, plain_label, split_rank

EXAMPLES = 5
"""Examples of a finding that are kept."""


@dataclass(frozen=True)
class Finding:
    """One thing that is odd.

    Parameters
    ----------
    what : str
        Its kind, for machines: ``"conflicting_labels"``, ...
    title : str
        For people: what is counted.
    count : int
        How many.
    examples : tuple of str
        The first few, `EXAMPLES` at most.
    why : str
        What it does to a result.
    todo : str
        What to do about it.
    biases : bool
        Whether results are wrong or misleading because of it; else it is good to know.
    """

    what: str
    title: str
    count: int
    examples: tuple[str, ...]
    why: str
    todo: str
    biases: bool = True

    @property
    def line(self) -> str:
        """Count and title, in a line."""
        return f"{self.title}: {self.count:,}"


@dataclass(frozen=True)
class Row:
    """One row of a task.

    Parameters
    ----------
    split, id : str
        Where it stands, and what it is called.
    place : int
        Its place in the split.
    digest : bytes
        Of its protein.
    label : str
        Equal for equal labels, and for people to read.
    """

    split: str
    id: str
    place: int
    digest: bytes
    label: str


def rows_of(task: Task) -> list[Row]:
    """All rows of a task, split by split."""
    return list(_rows(task))


def _rows(task: Task) -> Iterator[Row]:
    for name, split in task.splits.items():
        labels = (label_text(label, task) for label in split.labels)
        columns = zip(split.ids, split.digests, labels, strict=True)
        for place, (id_, digest, label) in enumerate(columns):
            yield Row(name, id_, place, digest.tobytes(), label)


def split_pairs(task: Task) -> list[tuple[str, str]]:
    """Pairs of splits that must not share proteins, the one to keep them last.

    Two test sets may: each is measured by itself.
    """
    names = sorted(task.splits, key=lambda name: (split_rank(name), name))
    return [(a, b) for a, b in combinations(names, 2) if split_rank(a) < split_rank(b)]


def label_text(label: Any, task: Task) -> str:
    """A label as people write it: names of classes, a number, or a list of these."""
    if isinstance(label, np.ndarray):
        return str(plain_label(label))
    if task.problem.is_regression:
        return f"{label:g}"
    if isinstance(label, tuple):
        return ", ".join(task.classes[number] for number in label) or "none"
    return task.classes[int(label)]


def first(items: Sequence[str]) -> tuple[str, ...]:
    """The examples that are kept."""
    return tuple(items[:EXAMPLES])
