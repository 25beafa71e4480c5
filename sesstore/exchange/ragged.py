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
from .foreign import ForeignEmbedding, sequence_hashes
from .hdf5 import open_hdf5

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
    with open_hdf5(path) as file:
        if not {"embedding", "id", "idptr"} <= set(file):
            raise InputError(f"{path} lacks the datasets embedding, id and idptr of this layout")
        ends = np.asarray(file["idptr"][...], np.int64)
        rows = np.asarray(file["embedding_ptr"][...], np.int64) if "embedding_ptr" in file else ends
        _check_pointers(path, ends, file["id"].shape[0])
        _check_pointers(path, rows, file["embedding"].shape[0])
        if len(ends) != len(rows):
            raise InputError(f"{path}: idptr and embedding_ptr have different lengths")
        letter, row = 0, 0
        for letter_end, row_end in zip(ends.tolist(), rows.tolist(), strict=True):
            sequence = file["id"][letter:letter_end].astype(np.uint8).tobytes().decode("latin-1")
            labels = (sequence_hashes(sequence)[0],) if sequence.isascii() else (sequence,)
            yield ForeignEmbedding(labels, file["embedding"][row:row_end])
            letter, row = letter_end, row_end


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
        for protein, given in embeddings:
            rows = np.atleast_2d(given)
            text = np.frombuffer(protein.sequence.encode("ascii"), np.uint8)
            row_ends.append(_append(values, row_ends[-1], rows))
            letter_ends.append(_append(letters, letter_ends[-1], text))
        values.resize(row_ends[-1], axis=0)
        letters.resize(letter_ends[-1], axis=0)
        file["idptr"] = np.asarray(letter_ends[1:], np.int64)
        file["embedding_ptr"] = np.asarray(row_ends[1:], np.int64)
    return len(row_ends) - 1


def _append(array: h5py.Dataset, done: int, rows: NDArray[np.generic]) -> int:
    stop = done + len(rows)
    if stop > len(array):
        array.resize(stop + _BLOCK, axis=0)
    array[done:stop] = rows
    return stop


def _check_pointers(path: Path, ends: NDArray[np.int64], size: int) -> None:
    if len(ends) and (ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] > size):
        raise InputError(f"{path}: its pointers do not fit its arrays; the file is damaged")
