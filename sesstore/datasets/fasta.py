"""Read FASTA, plain or gzipped, or from an open stream: proteins, or entries of any letters.

Old PIR files (``>P1;ID``, a line of description, a final ``*``) are read, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from ..errors import InputError, RecordError
from ..file_names import data_suffix
from ..proteins import LetterError, Protein
from .nucleotides import NucleotideCheck
from .readers import open_text
from .text import Readable, Warn, ignored

SUFFIXES = (".fasta", ".fa", ".faa", ".fas", ".fsa", ".pep", ".pir", ".seq")

_PIR = re.compile(r"(?:P1|F1);\s*(?=\S)")
"""What a PIR header of a protein begins with, whole or a fragment."""


@dataclass(frozen=True)
class Entry:
    """One entry of a FASTA file, letters unchecked.

    Parameters
    ----------
    id : str
        First word of the header.
    header : str
        The rest of it.
    body : tuple of (int, str)
        The lines below with their numbers, without their ends.
    line : int
        Where its header stands.
    """

    id: str
    header: str
    body: tuple[tuple[int, str], ...]
    line: int

    @cached_property
    def text(self) -> str:
        """The lines of the body, joined, without white space around each."""
        return "".join(line.strip() for _, line in self.body)

    @cached_property
    def blanks(self) -> str:
        """The lines of the body, joined, with their blanks: DSSP writes a coil so."""
        return "".join(line for _, line in self.body)

    def line_of(self, place: int) -> int:
        """Line of a letter, counted from 0, white space left out."""
        for number, line in self.body:
            place -= len("".join(line.split()))
            if place < 0:
                return number
        return self.line


def is_fasta(path: Readable) -> bool:
    """Whether a file name says FASTA (``.gz`` may follow)."""
    return data_suffix(path) in SUFFIXES


def read_fasta(path: Readable, warn: Warn = ignored) -> Iterator[Protein]:
    """Read the proteins of a FASTA file; a protein's id is the first word of its header.

    Parameters
    ----------
    path : path
        ``.gz`` may follow.
    warn : callable, optional
        Told at the end what is odd: sequences that look like DNA, another encoding than UTF-8.

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
    with open_text(path, warn) as lines:
        yield from parse_fasta(lines, path, warn)


def parse_fasta(lines: Iterable[str], path: Readable, warn: Warn = ignored) -> Iterator[Protein]:
    """Read the proteins of FASTA text, `path` being what errors call it; raises as `read_fasta`."""
    nucleotides = NucleotideCheck(path)
    for entry in parse_entries(lines, path):
        protein = entry_protein(entry, path)
        nucleotides.look(protein)
        yield protein
    nucleotides.report(warn)


def entry_protein(entry: Entry, path: Readable) -> Protein:
    """Return the protein of an entry; raises `RecordError` for letters that are no amino acids."""
    try:
        return Protein.parse(entry.id, entry.text)
    except LetterError as problem:
        raise RecordError(str(problem), path, entry.line_of(problem.place), entry.id) from None
    except InputError as problem:
        raise RecordError(str(problem), path, entry.line, entry.id) from None


def read_entries(path: Readable, warn: Warn = ignored) -> Iterator[Entry]:
    """Read the entries of a FASTA file, whatever their letters; raises as `read_fasta`."""
    with open_text(path, warn) as lines:
        yield from parse_entries(lines, path)


def parse_entries(lines: Iterable[str], path: Readable) -> Iterator[Entry]:
    """Read the entries of FASTA text; raises as `read_fasta`, but for their letters."""
    header: str | None = None
    header_line, empty = 0, True
    body: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        # Files that were joined keep the byte order marks of the later ones.
        if line.startswith((">", "\ufeff>")):
            if header is not None:
                yield _entry(header, body, path, header_line)
            header, header_line, body, empty = line.lstrip("\ufeff")[1:], number, [], False
        elif header is not None:
            if not line.startswith(";"):
                body.append((number, line.rstrip("\r\n")))
        elif line.strip("\ufeff \t\r\n") and not line.startswith((";", "#")):
            raise RecordError("text before the first '>' header. Is this FASTA?", path, number)
    if header is not None:
        yield _entry(header, body, path, header_line)
    if empty:
        raise InputError(f"'{path}' holds no FASTA record")


def _entry(header: str, body: list[tuple[int, str]], path: Readable, line: int) -> Entry:
    pir = _PIR.match(header.strip())
    if pir:
        header = header.strip()[pir.end() :]
        header, body = f"{header} {body[0][1] if body else ''}", body[1:]
    words = header.split(maxsplit=1)
    if not words:
        raise RecordError("the header has no id", path, line)
    return Entry(words[0], words[1].strip() if len(words) > 1 else "", tuple(body), line)
