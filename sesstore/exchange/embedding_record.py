"""One record of a foreign file of embeddings: what it is called, its shape, and how to read it.

Shape and type are known before any value is read, so that a file that states more than memory holds
(or unpacks into more) is refused and not tried.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..memory import available_memory

WIDEST = 1 << 16
"""Columns an embedding may have; the widest models have about 10,000."""


@dataclass(frozen=True, eq=False)
class ForeignEmbedding:
    """One record of a foreign file.

    Parameters
    ----------
    labels : tuple of str
        All it is called there, the best first: an accession, a hash, a file name.
    shape : tuple of int
        (L, d): one row a residue.
    kind : str
        Numpy's letter of the type's kind; ``"f"`` are floating-point numbers.
    read : callable
        Reads the values; raises `InputError` where they cannot be.
    size : int
        Bytes that reading takes, more than the values where they are packed in larger pieces.
    problem : str
        Why there are no values to read; empty where there are.
    """

    labels: tuple[str, ...]
    shape: tuple[int, ...] = ()
    kind: str = "f"
    read: Callable[[], NDArray[np.floating]] = lambda: np.zeros((0, 0), np.float32)
    size: int = 0
    problem: str = ""

    @classmethod
    def of(cls, labels: tuple[str, ...], values: NDArray[np.floating]) -> ForeignEmbedding:
        """A record whose values are in memory or mapped."""
        return cls(labels, values.shape, values.dtype.kind, lambda: values, values.nbytes)

    @property
    def values(self) -> NDArray[np.floating]:
        """The values, shape=(L, d), read now; raises `InputError`."""
        check_size(self.size, self.labels[0])
        return self.read()


def check_size(size: int, name: str) -> None:
    """Raise `InputError` if so many bytes are more than half of the memory that is free."""
    free = available_memory()
    if size > free // 2:
        raise InputError(
            f"'{name}' needs {size / 1e9:.1f} GB to be read, and {free / 1e9:.1f} GB of memory are "
            f"free. Is its file what it says? If so, use a machine with more memory"
        )


def check_unpacked(file: Path) -> None:
    """Refuse a zip archive (a ``.pt`` file is one) that unpacks into more than memory holds.

    Raises
    ------
    InputError
        It does, or cannot be listed.
    """
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                check_size(sum(entry.file_size for entry in archive.infolist()), str(file))
    except (zipfile.BadZipFile, OSError, NotImplementedError) as problem:
        raise InputError(f"'{file}' cannot be read: {problem}. Get the file again") from None


def file_labels(folder: Path, files: Iterable[Path]) -> dict[Path, tuple[str, ...]]:
    """Labels of the files of a folder: path within it, and the bare name where it is the only one.

    So a file in a folder of its own is found by its name, but not where two folders have one (of
    two encoders, say): that would be a guess.
    """
    relative = {file: file.relative_to(folder).with_suffix("") for file in files}
    return dict(zip(relative, path_labels(relative.values()), strict=True))


def path_labels(paths: Iterable[PurePath]) -> list[tuple[str, ...]]:
    """Labels of paths within a folder or file, as `file_labels`."""
    listed = list(paths)
    times = Counter(path.name for path in listed)
    return [
        (path.as_posix(), path.name)
        if len(path.parts) > 1 and times[path.name] == 1
        else (path.as_posix(),)
        for path in listed
    ]
