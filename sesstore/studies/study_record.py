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

from ..cells import cell
from ..errors import InputError
from ..provenance import differences, plain, resuming, without_nan
from ..store.atomic_files import replace_file
from ..training.seeds import between

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
        Columns that people are shown before the score's: key of a row to heading.
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
    cautions : list of dict
        What is off with the runs, and what to do; see `runs.Caution`.
    baselines : list of dict
        For each encoder its best arm on valid beside simple models on the same rows: ``encoder``,
        ``arm``, and what `baseline_report.BaselineReport` holds.
    provenance : dict
        Encoders, task, sources, date, command, versions.
    seconds : float
        Taken by this run of the study; less than the whole if it was gone on with.
    method : str
        How it was done, for a paper; empty where adapters were trained as in all studies.
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
    cautions: list[dict[str, Any]] = field(default_factory=list)
    baselines: list[dict[str, Any]] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    method: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain values; what is not a number is None."""
        values: dict[str, Any] = without_nan(asdict(self))
        return values

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Headings and cells as people are shown them; columns without any value are left out."""
        columns = {
            key: head
            for key, head in self.columns.items()
            if any(row.get(key) is not None for row in self.rows)
        }
        heads, cells = (
            list(columns.values()),
            [[row.get(key) for key in columns] for row in self.rows],
        )
        if any("score" in row for row in self.rows):
            heads += [f"{self.split} {self.monitor}", "95 % interval"]
            for row, shown_row in zip(self.rows, cells, strict=True):
                spread = "" if row["std"] is None else f" ± {row['std']:.4f}"
                shown_row += [
                    f"{row['score']:.4f}{spread}",
                    between((row["low"], row["high"])),
                ]
        return heads, cells

    def write(self) -> None:
        """Write ``study.json`` and ``table.csv``, each in one step."""
        folder = Path(self.run)
        text = io.StringIO()
        cells = [
            {cell(k): cell(value) for k, value in row.items() if not isinstance(value, list | dict)}
            for row in self.rows
        ]
        keys = list(dict.fromkeys(key for row in cells for key in row))
        table = csv.DictWriter(text, keys, lineterminator="\n")
        table.writeheader()
        table.writerows(cells)
        replace_file(folder / TABLE, text.getvalue().encode())
        record = json.dumps({"format": FORMAT, **self.to_json()}, indent=1, ensure_ascii=False)
        replace_file(folder / RECORD, record.encode() + b"\n")

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


def check(folder: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
    """Check that a study may begin in a folder, or go on there; writes nothing.

    Parameters
    ----------
    folder : path
        Absent or empty, or a study's.
    settings : mapping
        Everything that decides the numbers.
    resume : bool
        Go on with what is there, if anything.

    Raises
    ------
    InputError
        There is a study already and `resume` was not asked for, or it has other settings; names
        those that differ.
    """
    file = folder / SETTINGS
    if not file.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"'{folder}' holds other things than a study. Name another --out")
        return
    if not resume:
        raise InputError(
            f"'{folder}' holds a study already. {resuming(folder)}; or name another folder with "
            f"--out"
        )
    try:
        differing = differences(json.loads(file.read_text("utf-8")), plain(settings))
    except (ValueError, AttributeError) as problem:
        raise InputError(f"'{file}' is broken: {problem}. Name another --out") from None
    if differing:
        raise InputError(
            f"the study in '{folder}' was begun with other settings: {'; '.join(differing)}. "
            f"Go on with the same, or name another folder with --out"
        )


def begin(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make a study's folder and write its settings there, if that was not done before."""
    if not (folder / SETTINGS).exists():
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(plain(settings), indent=1) + "\n"
        replace_file(folder / SETTINGS, text.encode())
