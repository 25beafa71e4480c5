"""Tokens as numbers: ``.npy``, ``.npz``, ``.pt``, ``.json``, ``.csv`` and ``.tsv``.

A file is one protein, called as the file is (an array [L], or [M, L] for conformers), or holds many
by id: the arrays of an ``.npz``, a dictionary of tensors, a JSON object of lists. A row of a table
is an id and the numbers, in one cell or in one each. Nothing pickled is ever run.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
from numpy.lib.format import (
    open_memmap,
    read_array_header_1_0,
    read_array_header_2_0,
    read_magic,
)
from numpy.typing import NDArray

from ..alphabets import alphabet
from ..datasets.readers import open_text
from ..errors import InputError, MissingFileError
from ..file_names import data_suffix
from ..identifiers import identify
from ..memory import available_memory
from ..structures.naming import stem
from ..structures.notices import Failure
from .embedding_record import check_size, check_unpacked
from .imported_tokens import ForeignTokens, entry_name

_READ_ERRORS = (ValueError, OSError, EOFError, TypeError, SyntaxError, OverflowError)
"""What numpy raises for a file that is no array."""

_Entry = tuple[str, str, Any]
"""Where it is, the id, and the numbers."""

_NUMBER = re.compile(r"-?[0-9]+")


def read_codes(path: Path, name: str) -> Iterator[ForeignTokens | Failure]:
    """Read numbers as tokens.

    Parameters
    ----------
    path : path
        The file; text may end in ``.gz``.
    name : str
        Alphabet the numbers are of, such as ``"esm3"``. What stands at the ends of a protein there
        (BOS, EOS) is dropped.

    Yields
    ------
    ForeignTokens or Failure
        A failure for an entry that is no row of numbers of the alphabet.

    Raises
    ------
    MissingFileError
        There is no such file.
    InputError
        It is of no kind that is read, or a broken one.
    """
    codebook, suffix = alphabet(name), data_suffix(path)
    if suffix not in _READERS:
        raise InputError(f"'{path}' is none of {', '.join(_READERS)}. Convert it to one of these")
    if not path.is_file():
        raise MissingFileError(f"there is no file '{path}'. Check its name")
    for location, label, numbers in _READERS[suffix](path):
        try:
            codes = np.atleast_2d(codebook.from_numbers(_integers(numbers)))
        except InputError as problem:
            yield Failure(location, f"{location}: {problem}")
            continue
        yield ForeignTokens(_labels(label), location, {name: codes})


def _labels(label: str) -> tuple[str, ...]:
    """Names of an entry; an id with blanks is one, for its first word could be another's."""
    label = " ".join(label.split())
    return (label,) if identify(label).qualifier and " " in label else entry_name(label).labels


def _integers(numbers: Any) -> NDArray[np.int64]:
    try:
        array = np.asarray(numbers)
    except ValueError:
        raise InputError(
            "its rows are not equally long. Give each conformer a code a residue"
        ) from None
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or not array.size:
        raise InputError(
            f"it is no row of whole numbers but {array.dtype} of shape "
            f"{list(array.shape)}. Write an array [L], or [M, L] for conformers"
        )
    return array.astype(np.int64)


def _npy(path: Path) -> Iterator[_Entry]:
    try:
        # Mapped, so that what a header claims and the file lacks is an error, and not memory.
        yield str(path), stem(path), open_memmap(path, mode="r")
    except _READ_ERRORS as problem:
        raise _unreadable(path, problem) from None


def _npz(path: Path) -> Iterator[_Entry]:
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                label = entry.filename.removesuffix(".npy")
                yield f"{path} entry {label}", label, _unpacked(archive, entry, path)
    except (*_READ_ERRORS, zipfile.BadZipFile, NotImplementedError) as problem:
        raise _unreadable(path, problem) from None


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    """An array of an archive, never larger than the archive states, nor than memory holds."""
    check_size(2 * entry.file_size, f"{path} entry {entry.filename}")
    with archive.open(entry) as stream:
        raw = stream.read(entry.file_size)
    version = read_magic(io.BytesIO(raw))
    header = read_array_header_1_0 if version == (1, 0) else read_array_header_2_0
    start = io.BytesIO(raw)
    read_magic(start)
    shape, in_columns, dtype = header(start)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects")
    order: Literal["F", "C"] = "F" if in_columns else "C"
    return np.ndarray(shape, dtype, raw, start.tell(), order=order)


def _pt(path: Path) -> Iterator[_Entry]:
    import torch

    check_unpacked(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as why:
        raise _unreadable(path, why) from None
    if isinstance(content, torch.Tensor):
        content = {stem(path): content}
    if not isinstance(content, dict):
        raise InputError(
            f"'{path}' holds neither a tensor nor a dictionary of tensors. Save one of them"
        )
    for label, tensor in content.items():
        location = f"{path} entry {label}"
        if isinstance(tensor, torch.Tensor):
            check_size(tensor.numel() * tensor.element_size(), location)
            tensor = tensor.numpy()
        yield location, str(label), tensor


def _json(path: Path) -> Iterator[_Entry]:
    with open_text(path) as lines:
        try:
            content = json.loads(_read_bounded(lines, path))
        except (ValueError, RecursionError) as problem:
            raise _unreadable(path, problem) from None
    if isinstance(content, dict):
        yield from ((f"{path} entry {label}", label, row) for label, row in content.items())
    else:
        yield str(path), stem(path), content


def _read_bounded(lines: TextIO, path: Path) -> str:
    """All of a file, which may unpack into much more than it is."""
    limit = available_memory() // 16  # of text, and the numbers it becomes
    text = lines.read(limit + 1)
    if len(text) > limit:
        raise InputError(f"'{path}' unpacks into more than memory holds. Split it into several")
    return text


def _csv(path: Path, delimiter: str = ",") -> Iterator[_Entry]:
    with open_text(path) as lines:
        try:
            yield from _rows(csv.reader(lines, delimiter=delimiter), path)
        except csv.Error as problem:
            raise _unreadable(path, problem) from None


def _rows(rows: Iterable[list[str]], path: Path) -> Iterator[_Entry]:
    for number, row in enumerate(rows, 1):
        cells = [cell for cell in row[1:] if cell.strip()]
        if not row or (number == 1 and not any(map(_NUMBER.search, cells))):
            continue  # a blank line, or the names of the columns
        words = " ".join(cells).replace(",", " ").strip(" []").split()
        are_numbers = all(map(_NUMBER.fullmatch, words)) and all(len(word) < 10 for word in words)
        location = f"{path}, line {number} ({row[0]})"
        yield location, row[0].strip(), list(map(int, words)) if are_numbers else words


def _tsv(path: Path) -> Iterator[_Entry]:
    return _csv(path, "\t")


def _unreadable(path: Path, problem: Exception) -> InputError:
    lines = str(problem).strip().splitlines()
    reason = lines[0] if lines else type(problem).__name__
    return InputError(f"'{path}' cannot be read: {reason}. Write the file again")


_READERS: dict[str, Callable[[Path], Iterator[_Entry]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _pt,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
}
SUFFIXES = tuple(_READERS)
