"""Put labelled data, or plain proteins, into a store.

Everything is read and checked first (`load`), then stored (`add`): bad input leaves the store as it
was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..datasets.fasta import is_fasta, read_fasta
from ..datasets.load import LoadedTask, load_task
from ..datasets.readers import read_records
from ..datasets.recipes import recipe, recipe_names
from ..errors import InputError, MissingFileError, UnknownNameError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..provenance import circumstances
from ..residues import StructureTokens
from ..store import Store
from .inputs import task_proteins


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
    """

    task: str | None
    proteins: int
    sequences: int
    tokens: int
    warnings: list[str] = field(default_factory=list)
    splits: dict[str, int] = field(default_factory=dict)


def load(
    what: str,
    *,
    data: Path | None = None,
    source: str | None = None,
    allow_partial: bool = False,
) -> LoadedTask | list[Protein]:
    """Read and check what is to be added.

    Parameters
    ----------
    what : str
        Name of a task, or path of a FASTA file.
    data : path, optional
        Where the task's files are.
    source : str, optional
        Where the structures behind the tokens in the data come from.
    allow_partial : bool
        Mask tokens of the wrong length instead of refusing them.

    Raises
    ------
    InputError
        Any record is wrong, or there is no such task or file.
    """
    if is_fasta(Path(what)):
        return list(read_fasta(_existing(Path(what))))
    if what not in recipe_names() and (Path(what).exists() or "/" in what):
        _existing(Path(what))
        raise InputError(
            f"'{what}' is no FASTA file. For labelled data name a task and give the files with "
            f"--data: {', '.join(recipe_names())}"
        )
    return load_task(recipe(what), data, source, allow_partial=allow_partial)


def add(
    store: Store, loaded: LoadedTask | list[Protein], *, progress: Progress = SILENT
) -> AddReport:
    """Store what `load` returned: proteins first, then tokens, then the task that needs both."""
    if isinstance(loaded, list):
        return AddReport(None, len(loaded), store.add_proteins(loaded), 0)
    task = loaded.task
    new = store.add_proteins(loaded.proteins)
    with progress.stage("storing tokens", len(loaded.tokens), "proteins") as bar:
        tokens = store.add_tokens(_counted(loaded.tokens, bar.advance), circumstances("lmdb"))
    store.add_task(task)
    rows = {name: len(split) for name, split in task.splits.items()}
    return AddReport(task.name, sum(rows.values()), new, tokens, loaded.warnings, rows)


def proteins_named(store: Store, names: Iterable[str]) -> list[Protein]:
    """Return the proteins of tasks of a store, or of files, without repeats.

    Parameters
    ----------
    store : Store
        Whose tasks may be named.
    names : iterable of str
        Each a task of the store or a file: FASTA, or JSON lines or CSV with ``aa_seq``.

    Raises
    ------
    UnknownNameError
        Neither a task of the store nor a file.
    InputError
        A record of a file is wrong.
    """
    found: dict[bytes, Protein] = {}
    for name in names:
        for protein in proteins_of(store, name):
            found.setdefault(protein.digest, protein)
    return list(found.values())


def proteins_of(store: Store | None, name: str) -> Iterator[Protein]:
    """Yield the proteins of one task or file, record by record; arguments as in `proteins_named`.

    Without a store there are no tasks. Memory is that of a record: the file may be of any size.
    """
    tasks = [] if store is None else store.tasks()
    if store is not None and name in tasks:
        yield from task_proteins(store, store.task(name))
    elif is_fasta(Path(name)):
        yield from read_fasta(_existing(Path(name)))
    elif Path(name).is_file():
        yield from (record.protein for record in read_records(Path(name)))
    elif "/" in name or Path(name).suffix:
        raise MissingFileError(f"there is no file '{name}'")
    else:
        raise UnknownNameError(
            "task of this store", name, tasks, "Add it with `sesstore add`, or name a file."
        )


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise MissingFileError(f"there is no file '{path}'")
    return path


def _counted(
    items: Iterable[StructureTokens], advance: Callable[[int], None]
) -> Iterator[StructureTokens]:
    for item in items:
        yield item
        advance(1)
