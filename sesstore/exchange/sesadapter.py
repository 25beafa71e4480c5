"""SES-Adapter's own files: a task's rows with sequence, structure tokens and label.

One JSON lines (or CSV) file a split, with the columns `sesstore add` reads: ``name``, ``aa_seq``,
``foldseek_seq``, ``ss8_seq``, ``label``. A protein without tokens has masks (``#``): no row is
dropped. Of several conformers the first is written.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..alphabets import MASK_LETTER
from ..cells import cell
from ..datasets.records import TOKEN_COLUMNS
from ..errors import InputError
from ..progress import SILENT, Progress
from ..residues import StructureTokens
from ..store import Store
from ..tasks import IGNORED, Split, Task, plain_label

STYLES = ("jsonl", "csv")


def write_sesadapter(
    folder: Path,
    store: Store,
    task: Task,
    source: str | None,
    *,
    style: str = "jsonl",
    progress: Progress = SILENT,
) -> int:
    """Write ``train.jsonl`` and so on into a new folder; returns the rows written.

    Parameters
    ----------
    folder : path
        Must not exist.
    store, task : Store, Task
        What to write.
    source : str, optional
        Whose structure tokens; without, the token columns are left out.
    style : str
        One of `STYLES`.

    Raises
    ------
    InputError
        There is no such style.
    NotStoredError, UnknownNameError
        The store lacks a protein, or the source.
    """
    if style not in STYLES:
        raise InputError(f"style '{style}' is none of {', '.join(STYLES)}. Choose one of these")
    folder.mkdir(parents=True)
    total = sum(map(len, task.splits.values()))
    with progress.stage("exporting", total, "rows") as bar:
        for name, split in task.splits.items():
            with (folder / f"{name}.{style}").open("w", encoding="utf-8", newline="") as file:
                for row in _write_rows(file, _rows(store, split, source), style):
                    bar.advance(row)
    return total


def _write_rows(file: TextIO, rows: Iterator[dict[str, Any]], style: str) -> Iterator[int]:
    table: csv.DictWriter[str] | None = None
    for row in rows:
        if style == "jsonl":
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        else:
            if table is None:
                table = csv.DictWriter(file, list(row))
                table.writeheader()
            label = row["label"]
            text = json.dumps(label) if label is not None else ""
            table.writerow({**row, "name": cell(row["name"]), "label": text})
        yield 1


def _rows(store: Store, split: Split, source: str | None) -> Iterator[dict[str, Any]]:
    reader = store.tokens(source) if source else None
    for name, digest, label in zip(split.ids, split.digests, split.labels, strict=True):
        protein = store.protein(digest.tobytes())
        row: dict[str, Any] = {"name": name, "aa_seq": protein.sequence}
        if reader is not None:
            row |= _columns(reader.get(protein.digest), len(protein))
        yield {**row, "label": _written_label(label)}


def _written_label(label: Any) -> Any:
    """A label by numbers, None for a residue without one: -100 would be read as a class."""
    if isinstance(label, np.ndarray) and label.dtype.kind != "f":
        return [None if number == IGNORED else number for number in label.tolist()]
    return plain_label(label)


def _columns(tokens: StructureTokens | None, length: int) -> dict[str, str]:
    masked = MASK_LETTER * length
    return {
        column: alphabet.decode(tokens.codes[alphabet.name][0])
        if tokens is not None and alphabet.name in tokens.codes
        else masked
        for column, alphabet in TOKEN_COLUMNS.items()
    }
