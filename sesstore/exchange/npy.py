"""A folder of ``.npy`` files, one a protein, named by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingFileError
from ..proteins import Protein
from .foreign import ForeignEmbedding


def read_npy(folder: Path) -> Iterator[ForeignEmbedding]:
    """Read the files one at a time; pickled ones are refused.

    Raises
    ------
    MissingFileError
        There is no such folder, or no ``.npy`` file in it.
    InputError
        A file is no plain array; names it.
    """
    files = sorted(folder.glob("*.npy")) if folder.is_dir() else []
    if not files:
        raise MissingFileError(f"there is no folder '{folder}' with .npy files in it")
    for file in files:
        try:
            values = np.load(file, allow_pickle=False)
        except (ValueError, EOFError, OSError) as problem:
            raise InputError(f"{file} is no plain .npy array: {problem}") from None
        yield ForeignEmbedding((file.stem,), values)


def write_npy(folder: Path, embeddings: Iterable[tuple[Protein, NDArray[np.floating]]]) -> int:
    """Write one file a protein, named by its id; returns the files written.

    Raises
    ------
    InputError
        An id cannot name a file, or two proteins share one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: set[str] = set()
    for protein, values in embeddings:
        name = protein.id
        if not name or name.startswith(".") or "/" in name or "\0" in name or name in written:
            raise InputError(
                f"id '{name}' cannot name a file of its own. Export to HDF5 instead, or rename it"
            )
        np.save(folder / f"{name}.npy", values, allow_pickle=False)
        written.add(name)
    return len(written)
