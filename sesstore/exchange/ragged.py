"""scikit-bio's ``embed`` layout: all residues of all proteins in one HDF5 array, with pointers.

``embedding`` [sum of L, d], ``id`` uint8 (the sequences' letters, back to back), ``idptr`` and
``embedding_ptr`` (where each protein ends). The sequence is the label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..proteins import Protein
from .embedding_record import ForeignEmbedding, check_size
from .hdf5 import chunk_bytes, open_hdf5, own_dataset
from .imported_embeddings import sequence_hashes

_BLOCK = 1 << 16


def read_ragged(path: Path) -> Iterator[ForeignEmbedding]:
    """Read proteins one at a time; each is labelled with its sequence's hash.

    Raises
    ------
    MissingFileError
        There is no such file.
    InputError
        It is not in this layout, or its pointers do not fit its arrays.
    """
    file = open_hdf5(path)  # open as long as one of its records is to be read
    letters, ends, rows = _Letters(file, path), _ends(file, "idptr", path), None
    embedding = _array(file, "embedding", path)
    if "embedding_ptr" in file:
        rows = _ends(file, "embedding_ptr", path)
    rows = ends if rows is None else rows
    _check_pointers(path, ends, letters.size)
    _check_pointers(path, rows, embedding.shape[0])
    if len(ends) != len(rows):
        raise InputError(f"{path}: idptr and embedding_ptr have different lengths. Write it again")
    letter, row = 0, 0
    for letter_end, row_end in zip(ends.tolist(), rows.tolist(), strict=True):
        sequence = letters(letter, letter_end)
        labels = (sequence_hashes(sequence)[0],) if sequence.isascii() else (sequence,)
        yield _record(embedding, row, row_end, labels)
        letter, row = letter_end, row_end


def _record(
    embedding: h5py.Dataset, start: int, end: int, labels: tuple[str, ...]
) -> ForeignEmbedding:
    def values() -> NDArray[np.floating]:
        try:
            read: NDArray[np.floating] = embedding[start:end]
        except OSError as problem:
            raise InputError(
                f"rows {start} to {end} cannot be read: {problem}. Get the file again"
            ) from None
        return read

    shape = (end - start, *embedding.shape[1:])
    size = int(np.prod(shape, dtype=np.float64)) * embedding.dtype.itemsize
    return ForeignEmbedding(
        labels, shape, embedding.dtype.kind, values, max(size, chunk_bytes(embedding))
    )


class _Letters:
    """The sequences' letters, read as they are asked for."""

    def __init__(self, file: h5py.File, path: Path) -> None:
        self._array = _array(file, "id", path)
        self.size = int(self._array.shape[0])
        if self._array.ndim != 1 or self._array.dtype.kind not in "iu":
            raise InputError(f"{path}: 'id' is no row of letters. Is this scikit-bio's layout?")
        check_size(chunk_bytes(self._array), f"{path}: 'id'")

    def __call__(self, start: int, end: int) -> str:
        check_size(end - start, "a sequence")
        return bytes(self._array[start:end].astype(np.uint8)).decode("latin-1")


def _array(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    dataset = own_dataset(file, name, path)
    if dataset is None or not dataset.shape:
        raise InputError(
            f"{path} lacks the datasets embedding, id and idptr of this layout. Write it with "
            f"scikit-bio"
        )
    return dataset


def _ends(file: h5py.File, name: str, path: Path) -> NDArray[np.int64]:
    dataset = _array(file, name, path)
    if dataset.ndim != 1 or dataset.dtype.kind not in "iu":
        raise InputError(f"{path}: '{name}' is no row of pointers. Is this scikit-bio's layout?")
    check_size(max(8 * dataset.shape[0], chunk_bytes(dataset)), f"{path}: '{name}'")
    return np.asarray(dataset[...], np.int64)


def write_ragged(
    path: Path, embeddings: Iterable[tuple[Protein, NDArray[np.floating]]], dim: int
) -> int:
    """Write the layout, growing its arrays block by block; returns the proteins written.

    Parameters
    ----------
    path : path
        File to make; must not exist.
    embeddings : iterable of (Protein, ndarray [L, d])
        Stored as float32, which is what the layout allows. Means, [d], take one row each.
    dim : int
        d.
    """
    letter_ends: list[int] = [0]
    row_ends: list[int] = [0]
    with h5py.File(path, "x") as file:
        file.attrs.update(
            {"format": "embedding", "format-version": "1.0", "dtype": "float32", "dim": dim}
        )
        values = file.create_dataset(
            "embedding", (0, dim), "float32", maxshape=(None, dim), chunks=(1024, dim)
        )
        letters = file.create_dataset("id", (0,), "uint8", maxshape=(None,), chunks=(_BLOCK,))
        for protein, embedding in embeddings:
            rows = np.atleast_2d(embedding)
            text = np.frombuffer(protein.sequence.encode("ascii"), np.uint8)
            row_ends.append(_append(values, row_ends[-1], rows))
            letter_ends.append(_append(letters, letter_ends[-1], text))
        values.resize(row_ends[-1], axis=0)
        letters.resize(letter_ends[-1], axis=0)
        file["idptr"] = np.asarray(letter_ends[1:], np.int64)
        file["embedding_ptr"] = np.asarray(row_ends[1:], np.int64)
    return len(row_ends) - 1


def _append(array: h5py.Dataset, size: int, rows: NDArray[np.generic]) -> int:
    stop = size + len(rows)
    if stop > len(array):
        array.resize(stop + _BLOCK, axis=0)
    array[size:stop] = rows
    return stop


def _check_pointers(path: Path, ends: NDArray[np.int64], size: int) -> None:
    if len(ends) and (ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] > size):
        raise InputError(f"{path}: its pointers do not fit its arrays: it is damaged. Get it again")
