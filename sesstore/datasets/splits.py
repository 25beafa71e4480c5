"""Which rows are for training, for choosing and for testing; made by clusters where files say not.

Rows of one split are never used as another's. Where only train rows are given, whole clusters of
similar sequences (`clusters`) become train, valid and test; where train and test are given, valid
is taken from train in the same way. Seeded, and said in a note that the task keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingFileError
from ..tasks import SPLITS, split_rank
from .clusters import Clusters, cluster
from .readers import SUFFIXES, data_suffix
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
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        split = split_named(file.name.split(".")[0])
        if split is None or data_suffix(file) not in SUFFIXES:
            continue
        if split in found:
            raise InputError(f"both {found[split].name} and {file.name} are '{split}' in {folder}")
        found[split] = file
    if "train" not in found:
        seen = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "nothing"
        raise MissingFileError(
            f"there is no train file ({' '.join(SUFFIXES)}) in '{folder}'. Found: {seen}"
        )
    return _in_order(found)


def by_split(records: Sequence[Record]) -> tuple[Rows, list[str]]:
    """Sort the records of one file into splits; all are train where none says anything.

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
    left, notes = 0, []
    rows: Rows = {}
    for record in records:
        word = (record.split or "").strip()
        name = split_named(word)
        if word.lower() in UNLABELLED:
            left += 1
        elif name is None:
            problem = f"split '{record.split}' is unknown" if word else "no split"
            raise record.error(
                f"{problem}, while others have one. Write train, valid or test, or leave the split "
                f"out everywhere to have one made"
            )
        else:
            rows.setdefault(name, []).append(record)
    if left:
        notes = [f"{counted(left, 'row')} of set 'pred', to be predicted: left out of the task"]
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


def _in_order(found: Mapping[str, Part]) -> dict[str, Part]:
    return {name: found[name] for name in sorted(found, key=lambda n: (split_rank(n), n))}


def completed(rows: Rows, seed: int = 0, *, at_random: bool = False) -> tuple[Rows, list[str]]:
    """Make the splits that are missing.

    Parameters
    ----------
    rows : dict of str to list of Record
        Rows by split.
    seed : int
        Of the choice among clusters.
    at_random : bool
        Each sequence is a cluster of its own: for variants of one protein, which are all alike.

    Returns
    -------
    dict of str to list of Record, list of str
        Rows with train and valid, and what was made, in a sentence.

    Raises
    ------
    InputError
        There are no train rows, or too few clusters to make splits of.
    """
    if not rows.get("train"):
        raise InputError("there are no train rows. Write train in the split column of some")
    if "valid" in rows:
        if at_random:
            raise InputError("the rows say their splits, so none is made at random. Leave it out")
        return rows, []
    tested = any(split_rank(name) == split_rank("test") for name in rows)
    wanted = ("valid",) if tested else ("valid", "test")
    train = rows["train"]
    clusters, of_row = _clusters(train, at_random)
    chosen = _choose(clusters, of_row, wanted, seed)
    made = {name: [train[row] for row in np.flatnonzero(chosen == i)] for i, name in _names(wanted)}
    what = "no split was given" if len(wanted) == 2 else "no valid rows were given"
    sizes = ", ".join(f"{len(made[name]):,} {name}" for name in ("train", *wanted))
    way = "at random" if at_random else "by whole clusters of similar sequences"
    caution = (
        "Similar proteins may stand on both sides"
        if at_random
        else f"Clusters by {clusters.made_by}"
    )
    note = (
        f"{what}: made from {len(train):,} train rows {way} ({sizes}; "
        f"{counted(len(clusters), clusters.kind)}; seed {seed}). {caution}"
    )
    return _in_order({**rows, **made}), [note]


def _names(wanted: Sequence[str]) -> list[tuple[int, str]]:
    return list(enumerate(("train", *wanted)))


def _clusters(records: Sequence[Record], at_random: bool) -> tuple[Clusters, NDArray[np.int64]]:
    """Clusters of the distinct sequences, and the cluster of each row."""
    places: dict[str, int] = {}
    of_row = [places.setdefault(r.protein.sequence, len(places)) for r in records]
    alone = Clusters(np.arange(len(places)), "being equal", "sequence")
    clusters = alone if at_random else cluster(list(places))
    return clusters, clusters.of[of_row]


def _choose(
    clusters: Clusters, of_row: NDArray[np.int64], wanted: Sequence[str], seed: int
) -> NDArray[np.int64]:
    """Split of each row: 0 for train, then the wanted ones; in random order of the clusters."""
    sizes = np.bincount(of_row, minlength=len(clusters))
    room = np.full(len(wanted), max(1, round(SHARE * len(of_row))))
    split = np.zeros(len(clusters), np.int64)
    for number in np.random.default_rng(seed).permutation(len(clusters)).tolist():
        fits = np.flatnonzero(room >= sizes[number])
        if len(fits):
            split[number] = fits[0] + 1
            room[fits[0]] -= sizes[number]
    chosen: NDArray[np.int64] = split[of_row]
    if len(np.unique(chosen)) <= len(wanted):
        raise InputError(
            f"{counted(len(of_row), 'row')} in {counted(len(clusters), 'cluster')} of similar "
            f"sequences (by {clusters.made_by}): too few or too large to keep "
            f"{' and '.join(wanted)} apart from train. Give the splits in a column of train, valid "
            f"and test; or, for variants of one protein, say --random-splits"
        )
    return chosen
