"""From files to a task: find the splits, check every record, and say what looks odd.

Nothing is returned unless everything is right, so a caller that stores what `load_task` returns
never stores half a data set. Rows are kept as published; what looks odd is counted in `warnings`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, MissingFileError, RecordError
from ..proteins import Protein
from ..residues import StructureTokens
from ..tasks import SPLITS, Split, Task, plain_label
from .labels import parse_label
from .readers import SUFFIXES, data_suffix, read_records
from .recipes import Recipe
from .records import Record

SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    "training": "train",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "testing": "test",
}
"""What files and split columns call the splits."""


@dataclass(frozen=True, eq=False)
class LoadedTask:
    """A task and what came with it.

    Parameters
    ----------
    task : Task
        Splits and labels.
    proteins : list of Protein
        Each sequence once, under its first id.
    tokens : list of StructureTokens
        Tokens that came with the data, one a sequence.
    warnings : list of str
        What looked odd and was kept.
    """

    task: Task
    proteins: list[Protein]
    tokens: list[StructureTokens]
    warnings: list[str]


def load_task(
    recipe: Recipe, data: Path | None, source: str | None = None, *, allow_partial: bool = False
) -> LoadedTask:
    """Read a task from local files.

    Parameters
    ----------
    recipe : Recipe
        Which task.
    data : path
        A folder with train, valid (validation, val, dev) and test files, or one file with a
        ``split`` column.
    source : str, optional
        Where the structures behind the tokens in the files come from; needed if there are any.
    allow_partial : bool
        Mask tokens of the wrong length instead of refusing the record.

    Raises
    ------
    MissingFileError
        Files are missing.
    RecordError
        A record is wrong; names file, line and record.
    InputError
        Tokens without a source, or no train or valid rows.
    """
    if data is None:
        raise InputError(
            f"where are the files of '{recipe.name}'? Give a folder with train, valid and test "
            f"files, or one file with a split column: --data PATH"
        )
    rows = _rows_by_split(data, allow_partial)
    task = _task(recipe, rows)
    records = [record for split in rows.values() for record in split]
    proteins = list({r.protein.digest: r.protein for r in reversed(records)}.values())[::-1]
    tokens, odd = _tokens(records, source, recipe.name)
    return LoadedTask(task, proteins, tokens, [*_oddities(rows, task), *odd])


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
        split = SPLIT_NAMES.get(file.name.split(".")[0].lower())
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
    return {name: found[name] for name in SPLITS if name in found}


def _rows_by_split(data: Path, allow_partial: bool) -> dict[str, list[Record]]:
    if data.is_file():
        rows: dict[str, list[Record]] = {name: [] for name in SPLITS}
        for record in read_records(data, allow_partial=allow_partial):
            rows[_split_of(record)].append(record)
        rows = {name: split for name, split in rows.items() if split}
    else:
        rows = {
            name: list(read_records(file, allow_partial=allow_partial))
            for name, file in split_files(data).items()
        }
    missing = [name for name in ("train", "valid") if name not in rows]
    if missing:
        raise InputError(
            f"'{data}' has no {' and no '.join(missing)} rows. Training needs both, and rows of "
            f"one split are never used as another: make a split and name it"
        )
    return rows


def _split_of(record: Record) -> str:
    split = SPLIT_NAMES.get((record.split or "").strip().lower())
    if split is None:
        said = f"split '{record.split}' is unknown" if record.split else "no split"
        raise RecordError(
            f"{said}. A single file needs a split column with train, valid and test",
            record.path,
            record.line,
            record.protein.id,
        )
    return split


def _task(recipe: Recipe, rows: dict[str, list[Record]]) -> Task:
    return Task(
        name=recipe.name,
        problem=recipe.problem,
        classes=recipe.classes,
        splits={name: _split(records, recipe) for name, records in rows.items()},
        metrics=recipe.metrics,
        monitor=recipe.monitor,
        citation=recipe.citation,
    )


def _split(records: list[Record], recipe: Recipe) -> Split:
    labels = []
    for record in records:
        try:
            labels.append(parse_label(record.label, recipe.problem, len(recipe.classes)))
        except InputError as problem:
            raise RecordError(str(problem), record.path, record.line, record.protein.id) from None
    digests = np.frombuffer(b"".join(r.protein.digest for r in records), np.uint8)
    return Split(tuple(r.protein.id for r in records), digests.reshape(-1, 32), labels)


def _tokens(
    records: list[Record], source: str | None, task: str
) -> tuple[list[StructureTokens], list[str]]:
    made: dict[bytes, StructureTokens] = {}
    differing = 0
    partial = sum(bool(record.partial) for record in records)
    for record in records:
        if not record.tokens:
            continue
        if source is None:
            raise InputError(
                f"{record.path.name} brings structure tokens. Say where the structures come from: "
                f"--source alphafold2, esmfold, ..."
            )
        tool = f"came with {task}"
        tokens = StructureTokens(record.protein.digest, source, record.tokens, tool=tool)
        differing += _differ(made.setdefault(record.protein.digest, tokens), tokens)
    warnings = []
    if differing:
        warnings.append(f"{differing} rows repeat a sequence with other tokens; the first are kept")
    if partial:
        warnings.append(f"{partial} rows have tokens of the wrong length; those are masked")
    return list(made.values()), warnings


def _differ(one: StructureTokens, other: StructureTokens) -> bool:
    return one.codes.keys() != other.codes.keys() or any(
        not np.array_equal(one.codes[name], other.codes[name]) for name in one.codes
    )


def _oddities(rows: dict[str, list[Record]], task: Task) -> list[str]:
    """Count what biases results; ``doctor`` names the rows."""
    said = []
    if "test" not in rows:
        said.append("there are no test rows: results will be on valid, which chose the epoch")
    members = {name: {r.protein.digest for r in split} for name, split in rows.items()}
    for name, split in rows.items():
        if repeated := len(split) - len(members[name]):
            said.append(f"{name}: {_count(repeated, 'row repeats', 'rows repeat')} a sequence")
    for name, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        if shared := len(members.get(name, set()) & members.get(other, set())):
            said.append(f"{_count(shared, 'sequence is', 'sequences are')} in {name} and {other}")
    if conflicting := _conflicting(task):
        said.append(f"{_count(conflicting, 'sequence has', 'sequences have')} differing labels")
    named = [(r.protein.id, r.protein.digest) for split in rows.values() for r in split]
    if shared := _shared_names(named):
        said.append(f"{_count(shared, 'name stands', 'names stand')} for several sequences")
    return said


def _conflicting(task: Task) -> int:
    labels: dict[bytes, set[str]] = {}
    for split in task.splits.values():
        for digest, label in zip(split.digests, split.labels, strict=True):
            labels.setdefault(digest.tobytes(), set()).add(str(plain_label(label)))
    return sum(len(found) > 1 for found in labels.values())


def _shared_names(named: Iterable[tuple[str, bytes]]) -> int:
    return sum(count > 1 for count in Counter(name for name, _ in set(named)).values())


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
