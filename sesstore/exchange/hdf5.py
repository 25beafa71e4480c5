"""HDF5 files with one dataset a protein: UniProt's, bio_embeddings' and biotrainer's.

=============== =========================================== ============ ======================
style           dataset name                                 shape        attribute
=============== =========================================== ============ ======================
uniprot         accession                                    (L, d) f2    none
bio_embeddings  MD5 of the sequence, or a running number     (L, d)       ``original_id``
biotrainer      SHA-256 of ``f"{sequence}_{length}"``        (L, d)       ``original_id``
=============== =========================================== ============ ======================

All three are read alike: a dataset's labels are its ``original_id``, if it has one, and its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingFileError
from ..proteins import Protein
from .foreign import ForeignEmbedding, sequence_hashes

STYLES = ("uniprot", "bio_embeddings", "biotrainer")


def open_hdf5(path: Path) -> h5py.File:
    """Open a file for reading.

    Raises
    ------
    MissingFileError, InputError
        It is absent, or no HDF5 file.
    """
    if not path.is_file():
        raise MissingFileError(f"there is no file '{path}'")
    try:
        return h5py.File(path, "r")
    except OSError as problem:
        raise InputError(f"{path} is no readable HDF5 file: {problem}") from None


def read_hdf5(path: Path) -> Iterator[ForeignEmbedding]:
    """Read any of the three styles, one dataset at a time.

    Parameters
    ----------
    path : path
        The file. External and soft links in it are not followed.

    Yields
    ------
    ForeignEmbedding

    Raises
    ------
    MissingFileError
        There is no such file.
    InputError
        It is no HDF5 file, holds no dataset, or a dataset in it cannot be read; names it.
    """
    with open_hdf5(path) as file:
        found = False
        for name in file:
            item = file.get(name, getlink=True)
            if not isinstance(item, h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
                continue
            found = True
            yield ForeignEmbedding(_labels(file[name]), _values(file[name], path))
        if not found:
            raise InputError(f"{path} holds no datasets. Expected one a protein, [L, d]")


def write_hdf5(
    path: Path, embeddings: Iterable[tuple[Protein, NDArray[np.floating]]], style: str = "uniprot"
) -> int:
    """Write one dataset a protein.

    Parameters
    ----------
    path : path
        File to make; must not exist.
    embeddings : iterable of (Protein, ndarray)
        [L, d], or [d] for means.
    style : str
        One of `STYLES`.

    Returns
    -------
    int
        Proteins written. A protein whose key was written already (the same id, or for the hashed
        styles the same sequence) is not written again.
    """
    if style not in STYLES:
        raise InputError(f"HDF5 style '{style}' is none of {', '.join(STYLES)}")
    written = 0
    with h5py.File(path, "x") as file:
        for protein, values in embeddings:
            by_md5, by_sha256 = sequence_hashes(protein.sequence)
            key = {"bio_embeddings": by_md5, "biotrainer": by_sha256}.get(style, protein.id)
            key = key.replace("/", "_")  # HDF5 would make groups of it
            if key in file:
                continue
            dataset = file.create_dataset(key, data=values)
            if style != "uniprot":
                dataset.attrs["original_id"] = protein.id
            written += 1
    return written


def _labels(dataset: h5py.Dataset) -> tuple[str, ...]:
    name = dataset.name.lstrip("/")
    original = dataset.attrs.get("original_id")
    if original is None:
        return (name,)
    return (original.decode() if isinstance(original, bytes) else str(original), name)


def _values(dataset: h5py.Dataset, path: Path) -> NDArray[np.floating]:
    if dataset.dtype.kind != "f" or dataset.ndim != 2:
        # Never read an object type: only plain numbers have a business here.
        return np.empty((0,) * max(1, dataset.ndim), np.float32)
    try:
        values: NDArray[np.floating] = dataset[...]
    except OSError as problem:
        raise InputError(f"{path}: dataset '{dataset.name}' cannot be read: {problem}") from None
    return values
