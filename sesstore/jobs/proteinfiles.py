"""Proteins of files and tasks, read record by record, as often as they are needed.

A file is read through once before anything is done, so that a wrong record at its end is an error
before the first is stored; its memory is that of a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..datasets.annotated import has_labels
from ..datasets.fasta import entry_protein, is_fasta, read_entries, read_fasta
from ..datasets.nucleotides import NucleotideCheck
from ..datasets.readers import read_records
from ..datasets.text import Warn, ignored
from ..errors import MissingFileError
from ..proteins import Protein
from ..store import Store
from .accessions import UNIPROT, sequence_file
from .inputs import task_proteins, unknown_input


@dataclass(frozen=True)
class SequenceFile:
    """Proteins of a FASTA file that was read through and is right; it is read again as needed.

    Parameters
    ----------
    path : Path
        The file.
    count : int
        Its records.
    warnings : tuple of str
        What is odd about it.
    """

    path: Path
    count: int
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Protein]:
        return read_fasta(self.path)


def plain_fasta(path: Path) -> SequenceFile | None:
    """Read through a FASTA file and check every record; None if its headers hold labels."""
    warnings: list[str] = []
    nucleotides, count = NucleotideCheck(path), 0
    for entry in read_entries(path, warnings.append):
        if has_labels(entry):
            return None
        nucleotides.look(entry_protein(entry, path))
        count += 1
    nucleotides.report(warnings.append)
    return SequenceFile(path, count, tuple(warnings))


@dataclass(frozen=True)
class NamedProteins:
    """Proteins of tasks and files, read anew each time they are iterated; they may repeat.

    Parameters
    ----------
    store : Store or None
        Whose tasks may be named.
    names : tuple of str
        Tasks and files.
    """

    store: Store | None
    names: tuple[str, ...]

    def __iter__(self) -> Iterator[Protein]:
        for name in self.names:
            yield from proteins_of(self.store, name)


def checked_proteins(
    store: Store | None, names: Iterable[str], warn: Warn = ignored
) -> NamedProteins:
    """Read through what is named and check every record, so that nothing is done by halves.

    Parameters
    ----------
    store : Store or None
        Whose tasks may be named.
    names : iterable of str
        Each a task of the store, a file (FASTA, or labelled data with a column of sequences), or
        ``uniprot:P69905,...``, see `accessions`.
    warn : callable, optional
        Told what is odd in a file.

    Raises
    ------
    UnknownNameError
        Neither a task of the store nor a file.
    InputError
        A record of a file is wrong.
    """
    requested = NamedProteins(store, tuple(names))
    tasks = [] if store is None else store.tasks()
    for name in requested.names:
        if name not in tasks:
            for _ in proteins_of(store, name, warn):
                pass
    return requested


def proteins_named(
    store: Store | None, names: Iterable[str], warn: Warn = ignored
) -> list[Protein]:
    """Return the proteins of tasks of a store, or of files, without repeats.

    Arguments and errors as of `checked_proteins`.
    """
    distinct: dict[bytes, Protein] = {}
    for name in names:
        for protein in proteins_of(store, name, warn):
            distinct.setdefault(protein.digest, protein)
    return list(distinct.values())


def proteins_of(store: Store | None, name: str, warn: Warn = ignored) -> Iterator[Protein]:
    """Yield the proteins of one task or file, record by record.

    Arguments and errors as of `checked_proteins`. Without a store there are no tasks. Memory is
    that of a record: the file may be of any size.
    """
    tasks = [] if store is None else store.tasks()
    if name.startswith(UNIPROT):
        yield from read_fasta(sequence_file(name), warn)
    elif store is not None and name in tasks:
        yield from task_proteins(store, store.task(name))
    elif is_fasta(Path(name)):
        yield from read_fasta(existing_file(Path(name)), warn)
    elif Path(name).is_file():
        nucleotides = NucleotideCheck(Path(name))
        for record in read_records(Path(name), warn=warn):
            nucleotides.look(record.protein)
            yield record.protein
        nucleotides.report(warn)
    else:
        raise unknown_input(name, tasks)


def existing_file(path: Path) -> Path:
    """Return the path; raises `MissingFileError` if nothing is there."""
    if not path.exists() or (is_fasta(path) and not path.is_file()):
        raise MissingFileError(f"there is no file '{path}'")
    return path
