"""Labelled datasets: a problem, and splits whose rows point at proteins by digest.

A row is one labelled record of the published file. Rows are kept as they are: the same sequence
may stand in two rows, with two labels or in two splits (published sets do this; ``sesstore doctor``
says where), and each row counts in the metrics. The embedding behind them is stored once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .proteins import DIGEST_BYTES
from .provenance import sha256_json

SPLITS = ("train", "valid", "test")
"""Names of the splits, in the order they are reported."""


def split_rank(name: str) -> int:
    """Place of a split in `SPLITS`; further test sets (``test2``) rank as ``test``."""
    return SPLITS.index(name) if name in SPLITS else len(SPLITS) - 1


IGNORED = -100
"""Label of a residue that has none, in residue classes; residue regression uses NaN."""


class Problem(StrEnum):
    """What is predicted."""

    SINGLE_LABEL = "single_label"
    MULTI_LABEL = "multi_label"
    REGRESSION = "regression"
    RESIDUE_SINGLE_LABEL = "residue_single_label"
    RESIDUE_REGRESSION = "residue_regression"

    @property
    def per_residue(self) -> bool:
        """Whether each residue has a label of its own."""
        return self.value.startswith("residue_")

    @property
    def is_regression(self) -> bool:
        """Whether labels are numbers rather than classes."""
        return self.value.endswith("regression")


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one split.

    Parameters
    ----------
    ids : tuple of str, length N
        What the file calls each row.
    digests : ndarray, shape=(N, 32), dtype=uint8
        Protein of each row.
    labels : list, length N
        int (single label), tuple of int (multi label), float (regression), or for residue
        problems an array [L]: int64 with -100 where there is none, float32 with NaN.
    groups : tuple of str, length N or 0
        What each row is grouped by, see `Task.split_by`; empty where that is nothing.
    """

    ids: tuple[str, ...]
    digests: NDArray[np.uint8]
    labels: list[Any]
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.ids)
        if self.digests.shape != (count, DIGEST_BYTES) or len(self.labels) != count:
            raise InputError(
                "a split needs one id, one digest and one label a row. Give lists of one length"
            )
        if self.groups and len(self.groups) != count:
            raise InputError(
                "a split needs a group for each row, or none. Give as many groups as rows"
            )

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Task:
    """A labelled dataset.

    Parameters
    ----------
    name : str
        Such as ``"deeploc_binary"``.
    problem : Problem
        What is predicted.
    classes : tuple of str
        Class names, in the order of the label numbers; for regression the one unit or name of
        what is predicted.
    splits : mapping of str to Split
        ``train``, ``valid``, ``test``; any may be missing. Further test sets have names that begin
        with ``test``.
    metrics : tuple of str
        What is reported.
    monitor : str
        The metric that chooses the best epoch, on ``valid``.
    citation : str
        What to cite for the data.
    notes : tuple of str
        What was decided when the data were read, such as how splits were made.
    source : str, optional
        Whose structure tokens the task is trained on unless another source is named; what
        ``sesstore add --source`` named.
    split_by : str, optional
        What kept rows on one side when the splits were made (``"cluster"``, ``"random"``,
        ``"position"``, or a column's name); None where the splits came with the data.
    """

    name: str
    problem: Problem
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    metrics: tuple[str, ...]
    monitor: str
    citation: str = ""
    notes: tuple[str, ...] = field(default=())
    source: str | None = None
    split_by: str | None = None

    @property
    def measures(self) -> tuple[str, ...]:
        """What a score is of: the metrics, and the monitor where it is none of them."""
        return tuple(dict.fromkeys((*self.metrics, self.monitor)))

    @property
    def n_outputs(self) -> int:
        """Width of the adapter's output: number of classes, 1 for regression."""
        return 1 if self.problem.is_regression else len(self.classes)

    @property
    def data_digest(self) -> str:
        """SHA-256 over problem, rows and labels of all splits: equal for the same data."""
        return sha256_json(
            {
                "problem": str(self.problem),
                "splits": {
                    name: [split.digests.tobytes().hex(), [plain_label(v) for v in split.labels]]
                    for name, split in self.splits.items()
                },
            }
        )

    def split(self, name: str) -> Split:
        """Return a split.

        Raises
        ------
        InputError
            The task has none of that name.
        """
        try:
            return self.splits[name]
        except KeyError:
            raise InputError(
                f"task '{self.name}' has no split '{name}', only {', '.join(self.splits)}. Name "
                f"one of those"
            ) from None


def pooled(task: Task) -> Split:
    """Rows of train, valid and test, one after another; further test sets stay apart."""
    splits = [task.splits[name] for name in SPLITS if name in task.splits]
    groups = [split.groups for split in splits if len(split)]
    return Split(
        tuple(name for split in splits for name in split.ids),
        np.concatenate([split.digests for split in splits]),
        [label for split in splits for label in split.labels],
        tuple(name for names in groups for name in names) if all(groups) else (),
    )


def part_of(split: Split, rows: NDArray[np.int64]) -> Split:
    """Some rows of a split, in the order given."""
    return Split(
        tuple(split.ids[row] for row in rows),
        split.digests[rows],
        [split.labels[row] for row in rows],
        tuple(split.groups[row] for row in rows) if split.groups else (),
    )


def first_labels(task: Task) -> dict[bytes, tuple[str, Any]]:
    """Split and label of each protein, by digest; of rows of one sequence the first counts."""
    labels: dict[bytes, tuple[str, Any]] = {}
    for name, split in task.splits.items():
        for digest, label in zip(split.digests, split.labels, strict=True):
            labels.setdefault(digest.tobytes(), (name, label))
    return labels


def readable_label(label: Any, task: Task) -> Any:
    """A protein's label as tables and JSON show it: a class, a list of classes, or a value."""
    if task.problem.is_regression:
        return round(float(label), 4)
    if isinstance(label, list | tuple):
        return [task.classes[number] for number in label]
    return task.classes[label]


def plain_label(label: Any) -> Any:
    """Return a label as JSON can hold it (arrays as lists, NaN as None)."""
    if isinstance(label, np.ndarray):
        return [None if v != v else v for v in label.tolist()]
    return list(label) if isinstance(label, tuple) else label
