"""Put labelled data, or plain proteins, into a store.

Everything is read and checked first (`load`), then stored (`add`): bad input leaves the store as it
was. A name is a published task, from the hub unless its files are given; a path is the user's own
data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..datasets.columns import Columns
from ..datasets.fasta import is_fasta
from ..datasets.hub import chosen_source, download
from ..datasets.load import LoadedTask, load_own, load_task
from ..datasets.recipes import is_published, recipe, unknown_task
from ..datasets.user_data import UserData
from ..errors import InputError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..provenance import circumstances
from ..residues import StructureTokens
from ..store import Store
from ..store.layout import check_name
from ..tasks import Task
from .accessions import UNIPROT, sequence_file
from .proteinfiles import SequenceFile, existing_file, plain_fasta


@dataclass
class AddReport:
    """What was added; the keys of ``add --json``.

    Parameters
    ----------
    task : str or None
        Name of the task; None for plain proteins.
    proteins : int
        Rows of the task, or records of the file.
    sequences : int
        Sequences the store did not know yet.
    tokens : int
        Proteins whose tokens were added.
    warnings : list of str
        What looked odd and was kept.
    splits : dict of str to int
        Rows of each split.
    notes : list of str
        What was found out or decided: columns, kind of labels, splits, what was replaced.
    """

    task: str | None
    proteins: int
    sequences: int
    tokens: int
    warnings: list[str] = field(default_factory=list)
    splits: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def load(
    name_or_path: str,
    *,
    data: Path | None = None,
    source: str | None = None,
    allow_partial: bool = False,
    user_data: UserData | None = None,
) -> LoadedTask | SequenceFile:
    """Read and check what is to be added.

    Parameters
    ----------
    name_or_path : str
        Name of a published task; or path of the user's own data: FASTA without labels, or what
        `load_own` reads; or ``uniprot:P69905,...``, see `accessions`.
    data : path, optional
        Where a published task's files are; fetched from the hub by default.
    source : str, optional
        Where the structures behind the tokens in the data come from.
    allow_partial : bool
        Mask tokens of the wrong length instead of refusing them.
    user_data : UserData, optional
        What the user says about their own data.

    Raises
    ------
    InputError
        Any record is wrong, or there is no such task or file.
    """
    user_data = user_data or UserData()
    if source is not None:
        check_name("source", source)
    if is_published(name_or_path):
        return _published(name_or_path, data, source, allow_partial, user_data)
    path = Path(name_or_path)
    if name_or_path.startswith(UNIPROT):
        path = sequence_file(name_or_path)
    elif not path.exists() and "/" not in name_or_path and not path.suffix:
        raise unknown_task(name_or_path, "Or name a file or folder.")
    if data is not None:
        raise InputError(
            f"--data goes with a published task. Give your own as it is: '{name_or_path}'"
        )
    if is_fasta(existing_file(path)) and user_data.targets is None:
        plain = plain_fasta(path)
        if plain is not None:
            _check_unlabelled(path, user_data)
            return plain
    loaded = load_own(path, user_data, source, allow_partial=allow_partial)
    check_name("task", loaded.task.name)
    return loaded


def _check_unlabelled(path: Path, user_data: UserData) -> None:
    """Raise unless nothing was said of labels: a file of sequences alone becomes no task."""
    if (
        user_data.name
        or user_data.task_type
        or user_data.mask
        or user_data.all_columns != Columns()
        or user_data.split_by
    ):
        raise InputError(
            f"'{path}' holds sequences without labels, so it becomes no task. Put TARGET=... into "
            f"its headers or name a second file with --targets; or leave out what belongs to a task"
        )


def _published(
    name: str, data: Path | None, source: str | None, allow_partial: bool, user_data: UserData
) -> LoadedTask:
    """A published task from local files, else from the hub."""
    plan = recipe(name)
    makes_splits = plan.layout is not None and plan.layout.split_by
    plain_data = UserData(
        seed=user_data.seed,
        drop_unlabelled=user_data.drop_unlabelled,
        split_by=user_data.split_by if makes_splits else None,
    )
    if user_data != plain_data:
        raise InputError(
            f"'{name}' is a published task, whose kind and columns are known. For other data give "
            f"the file instead of the name, and --name"
        )
    reading: dict[str, Any] = {
        "allow_partial": allow_partial,
        "seed": user_data.seed,
        "drop_unlabelled": user_data.drop_unlabelled,
        "split_by": user_data.split_by,
    }
    if data is not None or not plan.hub:
        return load_task(plan, data, source, **reading)
    source = chosen_source(plan, source)
    files = download(plan, source)
    loaded = load_task(plan, files.folder, source, **reading)
    task = replace(loaded.task, notes=(files.note, *loaded.task.notes))
    return replace(loaded, task=task, notes=[files.note, *loaded.notes])


def add(
    store: Store,
    loaded: LoadedTask | SequenceFile | Sequence[Protein],
    *,
    replacing: bool = False,
    progress: Progress = SILENT,
) -> AddReport:
    """Store what `load` returned: proteins first, then tokens, then the task that needs both.

    Parameters
    ----------
    store : Store
    loaded : LoadedTask, SequenceFile or sequence of Protein
    replacing : bool
        Replace a task of that name although it predicts something else.
    progress : Progress
        Told about tokens as they are stored.

    Raises
    ------
    InputError
        The store has a task of that name with another type or other classes; nothing is stored.
    """
    if not isinstance(loaded, LoadedTask):
        odd = list(loaded.warnings) if isinstance(loaded, SequenceFile) else []
        report = AddReport(None, len(loaded), store.add_proteins(loaded), 0, odd)
        store.flush()
        return report
    task, notes = _beside_stored(store, loaded.task, replacing)
    new = store.add_proteins(loaded.proteins)
    tokens = 0
    if loaded.tokens:
        with progress.stage("storing tokens", len(loaded.tokens), "proteins") as bar:
            tokens = store.add_tokens(_counted(loaded.tokens, bar.advance), circumstances("lmdb"))
    store.add_task(task)
    store.flush()
    rows = {name: len(split) for name, split in task.splits.items()}
    warnings = [*loaded.warnings, *(f.line for f in loaded.findings if f.biases)]
    remarks = [f"good to know: {f.line}" for f in loaded.findings if not f.biases]
    notes = [*loaded.notes, *remarks, *notes]
    return AddReport(task.name, sum(rows.values()), new, tokens, warnings, rows, notes)


def _beside_stored(store: Store, task: Task, replacing: bool) -> tuple[Task, list[str]]:
    """Return the task as it will be stored, and what becomes of one of its name, in sentences.

    A source that was remembered stays unless another is named.
    """
    if task.name not in store.tasks():
        return task, []
    stored = store.task(task.name)
    kind, kind_before = (task.problem, task.classes), (stored.problem, stored.classes)
    if kind != kind_before and not replacing:
        raise InputError(
            f"the store has a task '{task.name}' that predicts something else: "
            f"{_kind(stored)}; this is {_kind(task)}. Store it under another name with --name, "
            f"or say --replace"
        )
    if stored.data_digest == task.data_digest:
        notes = ["it was here already, the same"]
    else:
        rows = sum(map(len, stored.splits.values()))
        notes = [f"it replaces one of that name ({rows:,} rows of {_kind(stored)})"]
    return (replace(task, source=stored.source) if task.source is None else task), notes


def _kind(task: Task) -> str:
    """What a task predicts, for people."""
    first = ", ".join(task.classes[:4]) + (", ..." if len(task.classes) > 4 else "")
    return f"{task.problem} of {first}" if first else str(task.problem)


def _counted(
    items: Iterable[StructureTokens], advance: Callable[[int], None]
) -> Iterator[StructureTokens]:
    for item in items:
        yield item
        advance(1)
