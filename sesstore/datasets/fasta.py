"""Read proteins from FASTA, plain or gzipped, or from an open stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import InputError, RecordError
from ..proteins import Protein
from .readers import data_suffix, open_text

SUFFIXES = (".fasta", ".fa", ".faa", ".fas", ".seq")


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
    header: str | None = None
    started, found = 0, False
    parts: list[str] = []
    for number, line in enumerate(lines, 1):
        if line.startswith(">"):
            if header is not None:
                yield _protein(header, parts, path, started)
            header, started, parts, found = line[1:], number, [], True
        elif header is not None:
            if not line.startswith(";"):
                parts.append(line)
        elif line.strip() and not line.startswith(";"):
            raise RecordError("text before the first '>' header. Is this FASTA?", path, number)
    if header is not None:
        yield _protein(header, parts, path, started)
    if not found:
        raise InputError(f"'{path}' holds no FASTA record")


def _protein(header: str, parts: list[str], path: Path, line: int) -> Protein:
    words = header.split()
    if not words:
        raise RecordError("the header has no id", path, line)
    try:
        return Protein.parse(words[0], "".join(parts))
    except InputError as problem:
        raise RecordError(str(problem), path, line, words[0]) from None
