"""Which rows are for training, for choosing and for testing; made of groups where files say not.

Rows of one split are never used as another's. Where only train rows are given, whole groups of them
(`groups`: clusters of similar sequences, unless the user says otherwise) become train, valid and
test; where train and test are given, valid is taken from train in the same way. Seeded, and said in
a note that the task keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingFileError
from ..file_names import data_suffix
from ..tasks import SPLITS, split_rank
from .groups import CLUSTER, SPLIT_METHODS, Groups, group_rows
from .readers import SUFFIXES
from .records import Record, split_named
from .wording import counted

SHARE = 0.1
"""Share of the rows that becomes valid, and test."""

UNLABELLED = ("pred", "predict", "prediction")
"""What biotrainer calls rows that are to be predicted."""

Rows = dict[str, list[Record]]
Part = TypeVar("Part")


def split_files(folder: Path) -> dict[str, Path]:
    """Find the files of a folder by split name.

    Raises
    ------
    MissingFileError
        There is no such folder, or no train file in it.
    InputError
        Two files are of one split.
    """
    if not folder.is_dir():
        raise MissingFileError(f"there is no file or folder '{folder}'")
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        split = split_named(file.name.split(".")[0])
        if split is None or data_suffix(file) not in SUFFIXES:
            continue
        if split in files:
            raise InputError(f"both {files[split].name} and {file.name} are '{split}' in {folder}")
        files[split] = file
    if "train" not in files:
        entries = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "nothing"
        raise MissingFileError(
            f"there is no train file ({' '.join(SUFFIXES)}) in '{folder}'. Found: {entries}"
        )
    return _in_order(files)


def by_split(records: Sequence[Record], *, drop_unassigned: bool = False) -> tuple[Rows, list[str]]:
    """Sort the records of one file into splits; all are train where none says anything.

    Parameters
    ----------
    records : sequence of Record
    drop_unassigned : bool
        Leave out, and count, rows that say nothing while others say something; some published
        tables have such.

    Returns
    -------
    dict of str to list of Record, list of str
        Rows by split; and what was left out (biotrainer's rows to be predicted), in a sentence.

    Raises
    ------
    RecordError
        A record says another word, or nothing while others say something.
    """
    if not any(record.split for record in records):
        return {"train": list(records)}, []
    predictions, orphans = 0, 0
    rows: Rows = {}
    for record in records:
        word = (record.split or "").strip()
        name = split_named(word)
        if word.lower() in UNLABELLED:
            predictions += 1
        elif drop_unassigned and word.lower() in ("", "nan"):
            orphans += 1
        elif name is None:
            problem = f"split '{record.split}' is unknown" if word else "no split"
            raise record.error(
                f"{problem}, while others have one. Write train, valid or test, or leave the split "
                f"out everywhere to have one made"
            )
        else:
            rows.setdefault(name, []).append(record)
    reasons = {"of set 'pred', to be predicted": predictions, "of no set, as published": orphans}
    notes = [
        f"{counted(count, 'row')} {reason}: left out of the task"
        for reason, count in reasons.items()
        if count
    ]
    return _in_order(rows), [*notes, *_further_tests(rows)]


def _further_tests(rows: Rows) -> list[str]:
    """Say how test sets beside ``test`` are measured."""
    tests = [f"{name} ({len(split):,})" for name, split in rows.items() if name not in SPLITS]
    if not tests:
        return []
    return [
        f"test sets {', '.join(tests)} are kept apart: `sesstore evaluate RUN TASK --split NAME` "
        f"measures one"
    ]


def _in_order(by_name: Mapping[str, Part]) -> dict[str, Part]:
    return {name: by_name[name] for name in sorted(by_name, key=lambda n: (split_rank(n), n))}


@dataclass(frozen=True, eq=False)
class Completed:
    """Rows in all splits that training needs.

    Parameters
    ----------
    rows : dict of str to list of Record
        With train and valid; each row of a split that was made knows its group.
    created : tuple of str
        Splits that were made, as the files have none.
    split_by : str or None
        What they were made by, see `groups.group_rows`.
    notes : list of str
        What was made, in a sentence.
    """

    rows: Rows
    created: tuple[str, ...] = ()
    split_by: str | None = None
    notes: list[str] = field(default_factory=list)


def completed(rows: Rows, seed: int = 0, *, split_by: str | None = None) -> Completed:
    """Make the splits that are missing.

    Parameters
    ----------
    rows : dict of str to list of Record
        Rows by split.
    seed : int
        Of the choice among groups.
    split_by : str, optional
        What keeps rows on one side, see `groups.group_rows`; whole clusters by default.

    Raises
    ------
    InputError
        There are no train rows, or too few groups to make splits of; or the rows say their splits
        and `split_by` was given.
    """
    if not rows.get("train"):
        raise InputError("there are no train rows. Write train in the split column of some")
    if "valid" in rows:
        if split_by is not None:
            raise InputError(
                "the rows say their splits, so none is made. Leave --split-by out, or take the "
                "column of splits out of the data"
            )
        return Completed(rows)
    tested = any(split_rank(name) == split_rank("test") for name in rows)
    missing = ("valid",) if tested else ("valid", "test")
    train, split_by = rows["train"], split_by or CLUSTER
    groups = group_rows([r.protein.sequence for r in train], split_by, _values(train, split_by))
    if groups.names:
        train = [replace(r, group=name) for r, name in zip(train, groups.names, strict=True)]
    assignment = _choose(groups, missing, seed, any_size=split_by not in SPLIT_METHODS)
    parts = {
        name: [train[row] for row in np.flatnonzero(assignment == place)]
        for place, name in enumerate(("train", *missing))
    }
    reason = "no split was given" if len(missing) == 2 else "no valid rows were given"
    sizes = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
    note = (
        f"{reason}: made from {len(train):,} train rows {groups.method} ({sizes}; "
        f"{counted(len(groups), groups.kind)}; seed {seed}). {groups.caution}"
    )
    return Completed(_in_order({**rows, **parts}), missing, split_by, [note])


def _values(records: Sequence[Record], split_by: str) -> list[str]:
    """What the column that rows are split by says of each."""
    if split_by in SPLIT_METHODS:
        return []
    for record in records:
        if not record.group:
            raise record.error(
                f"has nothing in column {split_by}, by which rows are to be split. Fill it in, or "
                f"split by cluster"
            )
    return [str(record.group) for record in records]


def _choose(
    groups: Groups, missing: Sequence[str], seed: int, *, any_size: bool = False
) -> NDArray[np.int64]:
    """Split of each row: 0 for train, then the missing ones; in random order of the groups.

    With `any_size` a split for which all groups are too large gets the smallest: of five published
    folds train gets three.
    """
    sizes = np.bincount(groups.of, minlength=len(groups))
    room = np.full(len(missing), max(1, round(SHARE * len(groups.of))))
    split = np.zeros(len(groups), np.int64)
    for number in np.random.default_rng(seed).permutation(len(groups)).tolist():
        fits = np.flatnonzero(room >= sizes[number])
        if len(fits):
            split[number] = fits[0] + 1
            room[fits[0]] -= sizes[number]
    if any_size:
        for place in sorted(set(range(1, len(missing) + 1)) - set(split.tolist())):
            free = np.flatnonzero(split == 0)
            if len(free) > 1:
                split[free[sizes[free].argmin()]] = place
    assignment: NDArray[np.int64] = split[groups.of]
    if len(np.unique(assignment)) <= len(missing):
        raise InputError(
            f"{counted(len(groups.of), 'row')} in {counted(len(groups), groups.kind)} "
            f"({groups.method}): too few or too large to keep {' and '.join(missing)} apart from "
            f"train. {groups.caution}. Give the splits in a column of train, valid and test; or, "
            f"for variants of one protein, say --split-by position or --split-by random"
        )
    return assignment
