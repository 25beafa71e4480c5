"""A folder of ``.npy`` files, one a protein, named by id.

Where an id cannot name a file, ``index.tsv`` says which file is whose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ..proteins import Protein
from .embedding_record import ForeignEmbedding, file_labels
from .filenames import INDEX, FileNames, data_files, read_index


def read_npy(folder: Path) -> Iterator[ForeignEmbedding]:
    """Read the files one at a time, those in folders too; pickled ones are refused.

    Yields
    ------
    ForeignEmbedding
        With a problem where a file is no plain array.

    Raises
    ------
    MissingFileError
        There is no such folder, or no ``.npy`` file in it.
    InputError
        ``index.tsv`` is broken.
    """
    files, ids = data_files(folder, ".npy"), read_index(folder)
    for file, labels in file_labels(folder, files).items():
        yield _record(file, _with_id(labels, ids))


def _with_id(labels: tuple[str, ...], ids: Mapping[str, str]) -> tuple[str, ...]:
    protein_id = ids.get(labels[0])
    return labels if protein_id is None else (protein_id,)


def _record(file: Path, labels: tuple[str, ...]) -> ForeignEmbedding:
    try:
        # Mapped, so that what a header claims and the file lacks is an error, and not memory; and
        # again to be read, for a map holds its file open.
        mapped = open_memmap(file, mode="r")
        return ForeignEmbedding(
            labels,
            mapped.shape,
            mapped.dtype.kind,
            lambda: np.array(open_memmap(file, mode="r")),
            mapped.nbytes,
        )
    except (ValueError, EOFError, OSError, TypeError, SyntaxError, OverflowError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        return ForeignEmbedding(labels, problem=f"{file} is no plain .npy array: {reason}")


def write_npy(folder: Path, embeddings: Iterable[tuple[Protein, NDArray[np.floating]]]) -> int:
    """Write one file a protein, named by its id; returns the files written.

    A protein whose id was written already is not written again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = FileNames()
    for protein, values in embeddings:
        if (name := names.new(protein.id)) is not None:
            np.save(folder / f"{name}.npy", values, allow_pickle=False)
    if names.changed:
        (folder / INDEX).write_text(names.table(), encoding="utf-8")
    return len(names)
