"""The record of a study: one table, comparisons, what was found, and what could not be.

``settings.json`` is written when a study begins, so that it is only ever gone on with under the
same settings; ``study.json`` (everything) and ``table.csv`` when it ends.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..provenance import canonical_json
from ..training.runs import write_atomically

SETTINGS, RECORD, TABLE = "settings.json", "study.json", "table.csv"
FORMAT = 1


@dataclass
class StudyReport:
    """What a study found; the keys of ``study --json`` and of ``study.json``.

    Parameters
    ----------
    study, task, question : str
        Which study, on what, and what it asks.
    run : str
        Its folder.
    encoder : str or list of str
        Full name; several where the study compares encoders.
    monitor, split : str
        The metric of the table, and the split it was measured on.
    columns : dict of str to str
        Columns of the table that people are shown: key of a row to heading.
    rows : list of dict
        The table, a dict a row.
    comparisons : list of dict
        Paired tests, see `pairs.Comparison`.
    findings : list of str
        What was found, in sentences.
    missing : list of str
        What the study could not answer here, and what to do.
    settings : dict
        Every setting it ran with.
    provenance : dict
        Encoders, task, sources, date, command, versions.
    seconds : float
        Taken by this run of the study; less than the whole if it was gone on with.
    """

    study: str
    task: str
    question: str
    run: str
    encoder: str | list[str]
    monitor: str
    split: str
    columns: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As plain values; what is not a number is None."""
        plain: dict[str, Any] = _without_nan(asdict(self))
        return plain

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Headings and cells as people are shown them."""
        cells = [[row.get(key) for key in self.columns] for row in self.rows]
        return list(self.columns.values()), cells

    def write(self) -> None:
        """Write ``study.json`` and ``table.csv``, each in one step."""
        folder = Path(self.run)
        text = io.StringIO()
        keys = [k for k in dict.fromkeys(k for row in self.rows for k in row) if k != "curve"]
        table = csv.DictWriter(text, keys, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write_atomically(folder / TABLE, text.getvalue().encode())
        record = json.dumps({"format": FORMAT, **self.to_json()}, indent=1, ensure_ascii=False)
        write_atomically(folder / RECORD, record.encode() + b"\n")

    @classmethod
    def load(cls, folder: Path | str) -> StudyReport:
        """Read the record of a finished study.

        Raises
        ------
        InputError
            There is none, or it is broken.
        """
        file = Path(folder) / RECORD
        try:
            value = json.loads(file.read_text("utf-8"))
            if value.pop("format") != FORMAT:
                raise InputError(f"'{file}' is of another format. Run the study again")
            return cls(**value)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise InputError(f"'{file}' is no record of a finished study: {problem}") from None


def begin(folder: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
    """Begin a study in a folder, or go on with the one that is there.

    Parameters
    ----------
    folder : path
        Made if it is absent.
    settings : mapping
        Everything that decides the numbers, as plain values.
    resume : bool
        Go on with what is there, if anything.

    Raises
    ------
    InputError
        There is a study already and `resume` was not asked for, or it has other settings; names
        those that differ.
    """
    file, mine = folder / SETTINGS, json.loads(canonical_json(settings))
    if not file.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"'{folder}' holds other things than a study. Name another --out")
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps(mine, indent=1).encode() + b"\n")
        return
    if not resume:
        raise InputError(
            f"'{folder}' holds a study already. Go on with --resume, or name another folder with "
            f"--out"
        )
    try:
        begun = json.loads(file.read_text("utf-8"))
        differing = differences(begun, mine)
    except (ValueError, AttributeError) as problem:
        raise InputError(f"'{file}' is broken: {problem}. Name another --out") from None
    if differing:
        raise InputError(
            f"the study in '{folder}' was begun with other settings: {'; '.join(differing)}. "
            f"Go on with the same, or name another folder with --out"
        )


def differences(one: Mapping[str, Any], other: Mapping[str, Any], inside: str = "") -> list[str]:
    """Name the settings that differ, with both values."""
    found: list[str] = []
    for key in dict.fromkeys([*one, *other]):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{inside}{key}.")
        elif a != b:
            found.append(f"{inside}{key} ({json.dumps(a)} then, {json.dumps(b)} now)")
    return found


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and value != value else value
