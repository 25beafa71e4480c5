"""Foldseek's own files: databases, and the table of ``structureto3didescriptor``.

A database ``DB`` is a set of files of the MMseqs2 kind: data (entries end with a newline and a zero
byte) and ``.index`` (key, start, length), in parts ``.0``, ``.1``, ... if it is large. ``DB`` holds
amino acids, ``DB_ss`` 3Di states, ``DB_h`` headers, ``DB.lookup`` names. Lower-case letters are
soft masks for Foldseek's prefilter and count as their upper case.
"""

from __future__ import annotations

import mmap
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from glob import escape
from itertools import groupby
from pathlib import Path

import numpy as np

from ..alphabets import FOLDSEEK
from ..datasets.readers import open_text
from ..errors import InputError, MissingFileError
from ..proteins import normalise
from ..structures.notices import Failure
from .imported_tokens import EntryName, ForeignTokens, entry_name, observed_chain

_COMPRESSED = 1 << 31
_PADDED = 8 << 16
"""Bits of a ``.dbtype``: entries packed by zstd; numbers padded for a GPU in place of letters."""

_KEY = re.compile(r"[0-9]{1,18}")
_MODEL = re.compile(r"(\S+?)_MODEL_([0-9]{1,9})(?:_\S*)?(?:\s|$)")
"""Name of an entry that is a model of a file."""

_Entry = tuple[EntryName, str, str]


class _Part:
    """One of the databases a Foldseek database consists of.

    Parameters
    ----------
    path : path
        Its data file, without ``.0``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        parts = path.parent.glob(f"{escape(path.name)}.[0-9]*")
        files = [path] if path.is_file() else sorted(parts, key=_nth)
        index = path.with_name(f"{path.name}.index")
        if not files or not index.is_file():
            raise MissingFileError(
                f"there is no Foldseek database '{path}' (with '{index.name}'). Name the database "
                f"as `foldseek createdb` was told, and copy all its files"
            )
        self._check_type()
        self._data = [_mapped(file) for file in files]
        self._starts = np.cumsum([0, *(len(part) for part in self._data)]).tolist()
        try:
            rows = np.array(index.read_bytes().split(), np.int64).reshape(-1, 3)
        except (ValueError, OverflowError):
            raise InputError(f"'{index}' is no index (key, start, length). Get it again") from None
        self.places = {key: (start, size) for key, start, size in rows.tolist()}

    def _check_type(self) -> None:
        path = self.path.with_name(f"{self.path.name}.dbtype")
        kind = int.from_bytes(path.read_bytes()[:4], "little") if path.is_file() else 0
        if kind & _COMPRESSED:
            raise InputError(
                f"Foldseek database '{self.path}' is compressed. Make it again without --compressed"
            )
        if kind & _PADDED:
            raise InputError(
                f"Foldseek database '{self.path}' is padded for a GPU. Name the one it was made of"
            )

    def text(self, key: int) -> str:
        """Entry of a key, without its end."""
        if key not in self.places:
            raise InputError(
                f"'{self.path}' has no entry {key} that the other files have. Make the "
                f"database again"
            )
        start, size = self.places[key]
        part = bisect_right(self._starts, start) - 1
        inside_it = min(start, size) >= 0 and part < len(self._data)
        if not inside_it or start + size > self._starts[part + 1]:
            raise InputError(f"'{self.path}' is cut short: entry {key} is not in it. Get it again")
        offset = start - self._starts[part]
        raw = self._data[part][offset : offset + size]
        return raw.rstrip(b"\0").rstrip(b"\r\n").decode("latin-1")


def read_foldseek_db(path: Path) -> Iterator[ForeignTokens | Failure]:
    """Read the 3Di states and sequences of a Foldseek database.

    Models of one file (NMR) become conformers of one chain.

    Yields
    ------
    ForeignTokens or Failure
        A failure for an entry that has not one state a residue.

    Raises
    ------
    MissingFileError
        A file of the database is absent.
    InputError
        It is compressed, padded or cut short.
    """
    residues, states = _Part(path), _Part(path.with_name(f"{path.name}_ss"))
    names = _names(path)

    def entries() -> Iterator[_Entry | Failure]:
        for key in _models_adjacent(residues.places, names):
            if key not in names:
                raise InputError(f"entry {key} of '{path}' has no name. Copy '{path.name}_h' too")
            if not names[key].strip():
                location = f"{path} entry {key}"
                yield Failure(location, f"{location} has an empty name. Make the database again")
            else:
                yield entry_name(names[key]), residues.text(key), states.text(key)

    yield from _as_tokens(entries(), path)


def read_foldseek_table(path: Path) -> Iterator[ForeignTokens | Failure]:
    """Read the table that ``foldseek structureto3didescriptor`` writes.

    Its columns are name, amino acids, 3Di states and (left unread) C-alpha coordinates.

    Yields
    ------
    ForeignTokens or Failure
        A failure for a line that has other columns, or not one state a residue.

    Raises
    ------
    MissingFileError
        There is no such file.
    """

    def entries() -> Iterator[_Entry | Failure]:
        with open_text(path) as lines:
            for number, line in enumerate(lines, 1):
                columns = line.rstrip("\r\n").split("\t")
                if len(columns) < 3:
                    location = f"{path}, line {number}"
                    yield Failure(
                        location,
                        f"{location} has not the columns name, amino acids, 3Di states of "
                        f"`foldseek structureto3didescriptor`",
                    )
                else:
                    yield entry_name(columns[0]), columns[1], columns[2]

    yield from _as_tokens(entries(), path)


def _names(path: Path) -> dict[int, str]:
    """Names of the entries: first words of the headers, else the lookup's."""
    headers = path.with_name(f"{path.name}_h")
    if headers.with_name(f"{headers.name}.index").is_file():
        part = _Part(headers)
        return {key: part.text(key) for key in part.places}
    lookup = path.with_name(f"{path.name}.lookup")
    if not lookup.is_file():
        raise MissingFileError(
            f"Foldseek database '{path}' has neither '{headers.name}' nor lookup. Copy all "
            f"its files"
        )
    with open_text(lookup) as lines:
        rows = (line.rstrip("\r\n").split("\t") for line in lines)
        return {int(row[0]): row[1] for row in rows if len(row) > 1 and _KEY.fullmatch(row[0])}


def _models_adjacent(keys: Iterable[int], names: Mapping[int, str]) -> Iterator[int]:
    """Keys with all models of a file side by side, where its first one is, in their order."""
    together: dict[str, list[tuple[int, int]]] = {}
    for key in keys:
        if match := _MODEL.match(names.get(key, "")):
            together.setdefault(match[1], []).append((int(match[2]), key))
    for key in keys:
        if match := _MODEL.match(names.get(key, "")):
            group = sorted(together.pop(match[1], []), key=lambda model: model[0])
            yield from (model_key for _, model_key in group)
        else:
            yield key


def _as_tokens(
    entries: Iterator[_Entry | Failure], path: Path
) -> Iterator[ForeignTokens | Failure]:
    """Entries as tokens; neighbours that are models of one chain together."""
    for _, group in groupby(_models_together(entries), key=lambda pair: pair[0]):
        models = [entry for _, entry in group]
        if isinstance(models[0], Failure):
            yield models[0]
        else:
            yield _checked([entry for entry in models if not isinstance(entry, Failure)], path)


def _checked(models: list[_Entry], path: Path) -> ForeignTokens | Failure:
    name, letters, _ = models[0]
    location = f"{path} entry {name.labels[-1]}"
    try:
        residues = normalise(letters)
        codes = [FOLDSEEK.encode(states.upper()) for _, _, states in models]
    except InputError as problem:
        return Failure(location, f"{location}: {problem}")
    for row in codes:
        if len(row) != len(residues):
            return Failure(
                location, f"{location} has {len(row)} states for {len(residues)} residues"
            )
    return ForeignTokens(
        name.labels, location, {"foldseek": np.stack(codes)}, observed_chain(residues)
    )


def _models_together(
    entries: Iterator[_Entry | Failure],
) -> Iterator[tuple[object, _Entry | Failure]]:
    """Entries with a key; models of a file come model by model, and are put chain by chain."""
    group: list[_Entry] = []
    for entry in entries:
        file = None if isinstance(entry, Failure) else _models_of(entry[0])
        if group and file != _models_of(group[0][0]):
            yield from _by_chain(group)
            group = []
        if file is None or isinstance(entry, Failure):
            yield object(), entry
        else:
            group.append(entry)
    yield from _by_chain(group)


def _models_of(name: EntryName) -> str | None:
    """The file a model is of; None for entries of files with one model."""
    return name.labels[-1].split("_MODEL_")[0] if name.model else None


def _by_chain(entries: list[_Entry]) -> Iterator[tuple[object, _Entry]]:
    def chain(entry: _Entry) -> tuple[str, str]:
        return entry[0].labels[0], entry[1]

    order = {key: place for place, key in enumerate(dict.fromkeys(map(chain, entries)))}
    for entry in sorted(entries, key=lambda entry: order[chain(entry)]):
        yield chain(entry), entry


def _mapped(path: Path) -> mmap.mmap | bytes:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""


def _nth(path: Path) -> int:
    end = path.suffix[1:]
    return int(end) if end.isdigit() else -1
