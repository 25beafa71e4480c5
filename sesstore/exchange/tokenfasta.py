"""FASTA of token strings: one letter a residue, in one alphabet.

Blanks inside a line of DSSP states mean a coil and are kept; no other tool's line breaks matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..alphabets import alphabet
from ..datasets.readers import open_text
from ..errors import InputError, RecordError
from ..structures.failure import Failure
from .imported_tokens import ForeignTokens, entry_name


def fasta_records(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, header and text (line ends removed, nothing else) of each FASTA record.

    Raises
    ------
    MissingFileError
        There is no such file.
    RecordError
        A record has no id, or there is text before the first.
    InputError
        The file holds no record.
    """
    header, started, parts = "", 0, list[str]()
    with open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith(">"):
                if started:
                    yield started, header, "".join(parts)
                header, started, parts = line[1:].strip(), number, []
                if not header:
                    raise RecordError("the header has no id", path, number)
            elif started:
                parts.append(line.rstrip("\r\n"))
            elif line.strip():
                raise RecordError("text before the first '>' header. Is this FASTA?", path, number)
    if not started:
        raise InputError(f"'{path}' holds no FASTA record")
    yield started, header, "".join(parts)


def read_token_fasta(path: Path, name: str) -> Iterator[ForeignTokens | Failure]:
    """Read token strings.

    Parameters
    ----------
    path : path
        The file; ``.gz`` may follow.
    name : str
        Alphabet of its letters, such as ``"foldseek"`` (in either case) or ``"dssp"``.

    Yields
    ------
    ForeignTokens or Failure
        A failure for a record with letters that are not of the alphabet.

    Raises
    ------
    MissingFileError, RecordError, InputError
        As `fasta_records`.
    """
    letters = alphabet(name)
    upper = letters.letters.isupper()
    for line, header, text in fasta_records(path):
        found = entry_name(header)
        where = f"{path}, line {line} ({found.labels[-1]})"
        try:
            codes = letters.encode(text.upper() if upper else text)
        except InputError as problem:
            yield Failure(where, f"{where}: {problem}")
            continue
        if len(codes):
            yield ForeignTokens(found.labels, where, {name: codes[None]})
        else:
            yield Failure(where, f"{where}: the record is empty")
