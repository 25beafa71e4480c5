"""Out of a store into files that other tools read: embeddings, or the rows of a task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..progress import SILENT, Progress
from ..store import Store
from .formats import format_named, stored_embeddings, write_whole
from .selection import check_ids, select_proteins
from .sesadapter import write_sesadapter

TASK_FORMATS = {"ses-adapter": "jsonl", "ses-adapter-csv": "csv"}
"""Formats of a whole task, by name, and the kind of their files."""


@dataclass(frozen=True)
class EmbeddingsExport:
    """What was written; the keys of ``export --json``.

    Parameters
    ----------
    out : str
        File or folder.
    format : str
    encoder, fingerprint : str
        Full name, and the first digits of the fingerprint.
    layer : int or str
    reduce : str or None
        ``"mean"`` where there is one vector a protein.
    written : int
        Number of proteins.
    unit : str
        What was counted.
    """

    out: str
    format: str
    encoder: str
    fingerprint: str
    layer: int | str
    reduce: str | None
    written: int
    unit: str = "proteins"


@dataclass(frozen=True)
class TaskExport:
    """What was written; the keys of ``export --json``.

    Parameters
    ----------
    out : str
        Folder.
    format, task : str
    source : str or None
        Of the structure tokens; None where there are none.
    written : int
        Number of rows.
    unit : str
        What was counted.
    """

    out: str
    format: str
    task: str
    source: str | None
    written: int
    unit: str = "rows"


def export_embeddings(
    store: Store,
    format_name: str,
    out: Path,
    *,
    plm: str | None = None,
    task: str | None = None,
    ids: Path | None = None,
    reduce: str | None = None,
    progress: Progress = SILENT,
) -> EmbeddingsExport:
    """Write embeddings in a format of `formats.FORMATS`.

    Parameters
    ----------
    store : Store
    format_name : str
    out : path
        There must be nothing yet.
    plm : str, optional
        Name of the encoder; the store's only one by default.
    task : str, optional
        Only the proteins of this task.
    ids : path, optional
        Only those of this file: one id a line, or FASTA.
    reduce : str, optional
        ``"mean"``: one vector a protein.
    progress : Progress
        Told about proteins.

    Raises
    ------
    UnknownNameError, NotStoredError
        There is no such format, task, protein or encoder.
    InputError
        There is something at `out`, or an id that names a record stands for two sequences.
    StorageFullError
        No space left; nothing is left at `out`.
    """
    export_format, view = format_named(format_name), store.embeddings(plm)
    proteins = select_proteins(store, view, task=task, ids=ids)
    if export_format.keyed_by == "id":
        check_ids(proteins)
    pairs = stored_embeddings(
        store, view, proteins, mean=reduce == "mean", progress=progress, total=len(proteins)
    )
    print_ = view.provenance.fingerprint
    count = write_whole(out, lambda path: export_format.write(path, pairs, view.dim, print_.layer))
    return EmbeddingsExport(
        str(out), format_name, print_.encoder, print_.short, print_.layer, reduce, count
    )


def export_task(
    store: Store,
    format_name: str,
    out: Path,
    task: str,
    *,
    source: str | None = None,
    progress: Progress = SILENT,
) -> TaskExport:
    """Write a task's sequences, structure tokens and labels, as ``sesstore add`` reads them.

    Parameters
    ----------
    store : Store
    format_name : str
        One of `TASK_FORMATS`.
    out : path
        Folder; there must be nothing yet.
    task : str
    source : str, optional
        Of the structure tokens; the store's only one by default.
    progress : Progress
        Told about rows.

    Raises
    ------
    NotStoredError, UnknownNameError
        There is no such task or source.
    InputError
        There is something at `out`, or the store has several sources and none was named.
    StorageFullError
        No space left; nothing is left at `out`.
    """
    rows, sources = store.task(task), store.sources()
    if source is None and len(sources) > 1:
        raise InputError(
            f"the store has tokens of several sources. Name one with --source: {', '.join(sources)}"
        )
    source = source or next(iter(sources), None)
    style = TASK_FORMATS[format_name]
    count = write_whole(
        out,
        lambda path: write_sesadapter(path, store, rows, source, style=style, progress=progress),
    )
    return TaskExport(str(out), format_name, task, source, count)
