"""Tokens as numbers: ``.npy``, ``.npz``, ``.pt``, ``.json``, ``.csv`` and ``.tsv``.

A file is one protein, called as the file is (an array [L], or [M, L] for conformers), or holds many
by id: the arrays of an ``.npz``, a dictionary of tensors, a JSON object of lists. A row of a table
is an id and the numbers, in one cell or in one each. Nothing pickled is ever run.
"""

from __future__ import annotations

import csv
import json
import pickle
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alphabets import alphabet
from ..datasets.readers import open_text
from ..errors import InputError, MissingFileError
from ..structures.failure import Failure
from .foreigntokens import ForeignTokens, entry_name

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
    known, suffix = alphabet(name), _suffix(path)
    if suffix not in _READERS:
        raise InputError(f"'{path}' is none of {', '.join(_READERS)}")
    if not path.is_file():
        raise MissingFileError(f"there is no file '{path}'")
    for where, label, numbers in _READERS[suffix](path):
        try:
            codes = np.atleast_2d(known.from_numbers(_integers(numbers)))
        except InputError as problem:
            yield Failure(where, f"{where}: {problem}")
            continue
        yield ForeignTokens(entry_name(label).labels, where, {name: codes})


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).stem


def _integers(numbers: Any) -> NDArray[np.int64]:
    try:
        found = np.asarray(numbers)
    except ValueError:
        raise InputError("its rows are not equally long") from None
    if found.dtype.kind not in "iu" or found.ndim not in (1, 2) or not found.size:
        raise InputError(
            f"it is no row of whole numbers but {found.dtype} of shape {list(found.shape)}"
        )
    return found.astype(np.int64)


def _npy(path: Path) -> Iterator[_Entry]:
    try:
        yield str(path), _stem(path), np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as problem:
        raise _broken(path, problem) from None


def _npz(path: Path) -> Iterator[_Entry]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for label in arrays.files:
                yield f"{path} entry {label}", label, arrays[label]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as problem:
        raise _broken(path, problem) from None


def _pt(path: Path) -> Iterator[_Entry]:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as why:
        raise _broken(path, why) from None
    if isinstance(content, torch.Tensor):
        content = {_stem(path): content}
    if not isinstance(content, dict):
        raise InputError(f"'{path}' holds neither a tensor nor a dictionary of tensors")
    for label, tensor in content.items():
        where = f"{path} entry {label}"
        yield where, str(label), tensor.numpy() if isinstance(tensor, torch.Tensor) else tensor


def _json(path: Path) -> Iterator[_Entry]:
    with open_text(path) as lines:
        try:
            content = json.loads("".join(lines))
        except (ValueError, RecursionError) as problem:
            raise _broken(path, problem) from None
    if isinstance(content, dict):
        yield from ((f"{path} entry {label}", label, row) for label, row in content.items())
    else:
        yield str(path), _stem(path), content


def _csv(path: Path, delimiter: str = ",") -> Iterator[_Entry]:
    with open_text(path) as lines:
        try:
            yield from _rows(csv.reader(lines, delimiter=delimiter), path)
        except csv.Error as problem:
            raise _broken(path, problem) from None


def _rows(rows: Iterable[list[str]], path: Path) -> Iterator[_Entry]:
    for number, row in enumerate(rows, 1):
        cells = [cell for cell in row[1:] if cell.strip()]
        if not row or (number == 1 and not any(map(_NUMBER.search, cells))):
            continue  # a blank line, or the names of the columns
        words = " ".join(cells).replace(",", " ").strip(" []").split()
        whole = all(map(_NUMBER.fullmatch, words)) and all(len(word) < 10 for word in words)
        where = f"{path}, line {number} ({row[0]})"
        yield where, row[0].strip(), list(map(int, words)) if whole else words


def _tsv(path: Path) -> Iterator[_Entry]:
    return _csv(path, "\t")


def _broken(path: Path, problem: Exception) -> InputError:
    said = str(problem).strip().splitlines()
    return InputError(f"'{path}' cannot be read: {said[0] if said else type(problem).__name__}")


_READERS: dict[str, Callable[[Path], Iterator[_Entry]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _pt,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
}
SUFFIXES = tuple(_READERS)
