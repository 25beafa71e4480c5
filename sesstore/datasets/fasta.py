"""Read FASTA, plain or gzipped, or from an open stream: proteins, or entries of any letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, RecordError
from ..proteins import Protein
from .readers import data_suffix, open_text

SUFFIXES = (".fasta", ".fa", ".faa", ".fas", ".seq")


@dataclass(frozen=True)
class Entry:
    """One entry of a FASTA file, letters unchecked.

    Parameters
    ----------
    id : str
        First word of the header.
    words : tuple of str
        The others.
    text : str
        All lines of the body, joined.
    line : int
        Where its header stands.
    """

    id: str
    words: tuple[str, ...]
    text: str
    line: int


def is_fasta(path: Path) -> bool:
    """Whether a file name says FASTA (``.gz`` may follow)."""
    return data_suffix(path) in SUFFIXES


def read_fasta(path: Path) -> Iterator[Protein]:
    """Read the proteins of a FASTA file; a protein's id is the first word of its header.

    Yields
    ------
    Protein

    Raises
    ------
    MissingFileError
        There is no such file.
    RecordError
        A record has no id, no sequence, or another letter; says where.
    InputError
        The file holds no record.
    """
    with open_text(path) as lines:
        yield from parse_fasta(lines, path)


def parse_fasta(lines: Iterable[str], path: Path) -> Iterator[Protein]:
    """Read the proteins of FASTA text, `path` being what errors call it; raises as `read_fasta`."""
    for entry in parse_entries(lines, path):
        yield entry_protein(entry, path)


def entry_protein(entry: Entry, path: Path) -> Protein:
    """Return the protein of an entry; raises `RecordError` for letters that are no amino acids."""
    try:
        return Protein.parse(entry.id, entry.text)
    except InputError as problem:
        raise RecordError(str(problem), path, entry.line, entry.id) from None


def read_entries(path: Path) -> Iterator[Entry]:
    """Read the entries of a FASTA file, whatever their letters; raises as `read_fasta`."""
    with open_text(path) as lines:
        yield from parse_entries(lines, path)


def parse_entries(lines: Iterable[str], path: Path) -> Iterator[Entry]:
    """Read the entries of FASTA text; raises as `read_fasta`, but for their letters."""
    header: str | None = None
    started, found = 0, False
    parts: list[str] = []
    for number, line in enumerate(lines, 1):
        if line.startswith(">"):
            if header is not None:
                yield _entry(header, parts, path, started)
            header, started, parts, found = line[1:], number, [], True
        elif header is not None:
            if not line.startswith(";"):
                parts.append(line.strip())
        elif line.strip() and not line.startswith(";"):
            raise RecordError("text before the first '>' header. Is this FASTA?", path, number)
    if header is not None:
        yield _entry(header, parts, path, started)
    if not found:
        raise InputError(f"'{path}' holds no FASTA record")


def _entry(header: str, parts: list[str], path: Path, line: int) -> Entry:
    words = header.split()
    if not words:
        raise RecordError("the header has no id", path, line)
    return Entry(words[0], tuple(words[1:]), "".join(parts), line)
