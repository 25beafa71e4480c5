"""K-fold cross-validation: every row is tested once, by a training that saw none of its relatives.

Rows of train, valid and test are pooled, for a tenth of a small set says nothing. What kept rows on
one side of the task's splits (`groups`) keeps them in one fold; splits that came with the data say
nothing of that, so whole clusters of similar sequences do. Within that, labels are spread over the
folds as evenly as whole groups allow. Each fold's training gives a tenth of all rows to valid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..tasks import Problem, Split, Task, part_of, pooled
from .groups import CLUSTER, RANDOM, Groups, group_rows, joined_rows
from .splits import SHARE
from .wording import counted

BINS = 5
"""Groups of about equal size that numbers are spread by."""


@dataclass(frozen=True, eq=False)
class Folds:
    """A task in folds.

    Parameters
    ----------
    tasks : tuple of Task
        One a fold, with ``train``, ``valid`` and ``test``.
    rows_task : Task
        All rows as ``train``.
    of : ndarray, shape=(N,), dtype=int64
        Fold of each row of ``rows_task``, from 0 on.
    valid : tuple of ndarray
        For each fold the rows of ``rows_task`` that are its ``valid``.
    note : str
        What was made, in a sentence.
    """

    tasks: tuple[Task, ...]
    rows_task: Task
    of: NDArray[np.int64]
    valid: tuple[NDArray[np.int64], ...]
    note: str

    @property
    def tested(self) -> tuple[NDArray[np.int64], ...]:
        """For each fold the rows of ``whole`` that are its ``test``."""
        return tuple(np.flatnonzero(self.of == fold) for fold in range(len(self.tasks)))


def make_folds(task: Task, sequences: Mapping[bytes, str], count: int, *, seed: int = 0) -> Folds:
    """Cut a task into folds.

    Parameters
    ----------
    task : Task
    sequences : mapping of bytes to str
        Sequence of each digest.
    count : int
        Number of folds.
    seed : int
        Of the order in which equal groups are dealt.

    Raises
    ------
    InputError
        There are too few groups, or one of them holds most of the rows.
    """
    rows = pooled(task)
    groups = _groups(task, rows, sequences)
    _check(task, groups, count)
    strata = label_strata(task.problem, rows.labels)
    of = deal(groups.of, strata, count, seed)
    valid = [_valid(task, groups.of, strata, of == fold, seed) for fold in range(count)]
    sizes = ", ".join(str(int(size)) for size in np.bincount(of, minlength=count))
    note = (
        f"{count} folds of {len(rows):,} rows (train, valid and test together) {groups.method}: "
        f"{sizes} rows; {counted(len(groups), groups.kind)}; seed {seed}. {groups.caution}"
    )
    return cut_folds(task, of, valid, note)


def cut_folds(
    task: Task, of: NDArray[np.int64], valid: Sequence[NDArray[np.int64]], note: str
) -> Folds:
    """Cut a task into folds whose rows are known.

    Parameters
    ----------
    task : Task
    of : ndarray, shape=(N,), dtype=int64
        Fold of each row of train, valid and test, one after another.
    valid : sequence of ndarray
        For each fold its valid rows.
    note : str
        See `Folds`.
    """
    rows, tasks = pooled(task), []
    for fold, valid_rows in enumerate(valid):
        tested = np.flatnonzero(of == fold)
        train = np.setdiff1d(np.arange(len(rows)), np.concatenate([tested, valid_rows]))
        parts = {"train": train, "valid": valid_rows, "test": tested}
        splits = {name: part_of(rows, part) for name, part in parts.items()}
        tasks.append(replace(task, splits=splits))
    rows_task = replace(task, splits={"train": rows})
    return Folds(tuple(tasks), rows_task, of, tuple(valid), note)


def _groups(task: Task, rows: Split, sequences: Mapping[bytes, str]) -> Groups:
    """What belongs into one fold: as the splits were made, else clusters."""
    digests = [digest.tobytes() for digest in rows.digests]
    texts = [sequences[digest] for digest in digests]
    if task.split_by == RANDOM:
        return group_rows(texts, RANDOM)
    if task.split_by is None or not rows.groups:
        return group_rows(texts, CLUSTER)
    of = joined_rows(rows.groups, digests)
    method = f"by whole groups, as the task was split by {task.split_by}"
    return Groups(of, rows.groups, "group", method, "Rows of a group are in one fold")


def _check(task: Task, groups: Groups, count: int) -> None:
    instead = "Add the data with another --split-by (position or random for variants of a protein)"
    sizes = np.bincount(groups.of)
    if len(sizes) < max(count, 3):
        raise InputError(
            f"'{task.name}' has {counted(len(sizes), groups.kind)} ({groups.method}), too few for "
            f"{count} folds. {instead}"
        )
    if sizes.max() > len(groups.of) / 2:
        raise InputError(
            f"one {groups.kind} holds {sizes.max():,} of the {len(groups.of):,} rows of "
            f"'{task.name}' ({groups.method}): folds would not be alike. {instead}"
        )


def _valid(
    task: Task,
    groups: NDArray[np.int64],
    strata: NDArray[np.int64],
    tested: NDArray[np.bool_],
    seed: int,
) -> NDArray[np.int64]:
    """Rows that choose while those of one fold are tested."""
    untested = np.flatnonzero(~tested)
    room = max(1, round(SHARE * len(tested)))
    valid = held_out(groups[untested], strata[untested], room, seed)
    if valid.all():
        raise InputError(
            f"what is left of '{task.name}' beside a fold cannot be cut into train and valid: too "
            f"few groups. Use more --folds, or add the data with another --split-by"
        )
    return untested[valid]


def label_strata(problem: Problem, labels: Sequence[Any]) -> NDArray[np.int64]:
    """Number the kind of each row's label, shape=(N,): what is spread evenly.

    A class; of several the rarest; a fifth of the values by rank; of residues nothing, or the mean.
    """
    if problem is Problem.RESIDUE_SINGLE_LABEL:
        return np.zeros(len(labels), np.int64)
    if problem.is_regression:
        means = [float(np.nanmean(label)) if np.isfinite(label).any() else 0.0 for label in labels]
        ranks = np.argsort(np.argsort(means, kind="stable"), kind="stable")
        return (ranks * BINS // max(len(labels), 1)).astype(np.int64)
    if problem is Problem.MULTI_LABEL:
        often = Counter(number for label in labels for number in label)
        rarest = [min(label, key=lambda n: (often[n], n), default=-1) for label in labels]
        return np.unique(rarest, return_inverse=True)[1].astype(np.int64)
    return np.asarray(labels, np.int64)


def deal(
    groups: NDArray[np.int64], strata: NDArray[np.int64], count: int, seed: int
) -> NDArray[np.int64]:
    """Deal whole groups to folds, the largest first, each to where its kinds of labels are fewest.

    Parameters
    ----------
    groups, strata : ndarray, shape=(N,), dtype=int64
        Group of each row, and kind of its label.
    count : int
        Number of folds.
    seed : int
        Of the order of groups of one size.

    Returns
    -------
    ndarray, shape=(N,), dtype=int64
        Fold of each row.
    """
    members = _members(groups)
    chance = np.random.default_rng(seed).permutation(len(members))
    order = sorted(chance.tolist(), key=lambda group: -len(members[group]))
    shares = 1 / np.bincount(strata)[strata]
    filled = np.zeros((count, int(strata.max()) + 1))
    sizes = np.zeros(count, np.int64)
    of = np.empty(len(groups), np.int64)
    for group in order:
        rows = members[group]
        alike = filled[:, strata[rows]].sum(1).round(9)
        fold = int(np.lexsort((sizes, alike))[0])
        of[rows] = fold
        sizes[fold] += len(rows)
        np.add.at(filled[fold], strata[rows], shares[rows])
    return of


def held_out(
    groups: NDArray[np.int64], strata: NDArray[np.int64], room: int, seed: int
) -> NDArray[np.bool_]:
    """Choose whole groups of at most `room` rows in all, of each kind of label its share first.

    Parameters
    ----------
    groups, strata : ndarray, shape=(N,), dtype=int64
        Group of each row, and kind of its label.
    room : int
        Rows to choose.
    seed : int
        Of the order in which groups are looked at.

    Returns
    -------
    ndarray, shape=(N,), dtype=bool
        At least one row, the smallest group if all are larger than `room`.
    """
    members = _members(groups)
    order = np.random.default_rng(seed).permutation(len(members)).tolist()
    quota = np.maximum(1, np.bincount(strata) * room // len(groups))
    is_held_out = np.zeros(len(groups), bool)
    for of_each in (True, False):
        for group in order:
            rows = members[group]
            if is_held_out[rows[0]] or is_held_out.sum() + len(rows) > room:
                continue
            counts = np.bincount(strata[is_held_out], minlength=len(quota))
            if not of_each or (counts[strata[rows]] < quota[strata[rows]]).all():
                is_held_out[rows] = True
    if not is_held_out.any():
        is_held_out[min(members, key=len)] = True
    return is_held_out


def _members(groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
