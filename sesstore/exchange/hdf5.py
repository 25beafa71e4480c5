"""HDF5 files with one dataset a protein: UniProt's, bio_embeddings' and biotrainer's.

=============== =========================================== ============ ======================
style           dataset name                                 shape        attribute
=============== =========================================== ============ ======================
uniprot         accession                                    (L, d) f2    none
bio_embeddings  MD5 of the sequence, or a running number     (L, d)       ``original_id``
biotrainer      SHA-256 of ``f"{sequence}_{length}"``        (L, d)       ``original_id``
=============== =========================================== ============ ======================

All three are read alike: a dataset's labels are its ``original_id``, if it has one, and its name.
HDF5 makes groups of the ``/`` in a name, so datasets are read at any depth. A file may not send its
reader to another one: links, virtual datasets and external storage are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingFileError
from ..proteins import Protein
from .embedding_record import ForeignEmbedding, path_labels
from .imported_embeddings import sequence_hashes

STYLES = ("uniprot", "bio_embeddings", "biotrainer")
_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}", re.IGNORECASE)
_DEEPEST = 32
"""Groups within groups."""


def open_hdf5(path: Path) -> h5py.File:
    """Open a file for reading.

    Raises
    ------
    MissingFileError, InputError
        It is absent, or no HDF5 file.
    """
    if not path.is_file():
        raise MissingFileError(f"there is no file '{path}'. Check its name")
    try:
        return h5py.File(path, "r")
    except OSError as problem:
        raise InputError(f"{path} is no readable HDF5 file: {problem}. Get it again") from None


def own_dataset(group: h5py.Group, name: str, path: Path) -> h5py.Dataset | None:
    """Dataset of a group, None if there is none of that name.

    Raises
    ------
    InputError
        Its values would come from elsewhere: a link, a virtual dataset or external storage.
    """
    item = own_item(group, name, path)
    return item if isinstance(item, h5py.Dataset) else None


def own_item(group: h5py.Group, name: str, path: Path) -> h5py.Group | h5py.Dataset | None:
    """Group or dataset of a group, as `own_dataset`; None if it is neither."""
    link = group.get(name, getlink=True)
    if link is None:
        return None
    place = f"{path}: '{f'{group.name}/{name}'.lstrip('/')}'"
    if not isinstance(link, h5py.HardLink):
        raise _elsewhere(place, "is a link")
    try:
        item = group[name]
    except (KeyError, OSError, RuntimeError) as problem:
        raise InputError(f"{place} cannot be read: {problem}. Get the file again") from None
    if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
        raise _elsewhere(place, "has its values in another file")
    return item if isinstance(item, h5py.Group | h5py.Dataset) else None


def _elsewhere(place: str, problem: str) -> InputError:
    return InputError(
        f"{place} {problem}, which is not followed: a file from elsewhere could have any file "
        f"read. Make one that holds its values itself, with `h5repack` or by copying the datasets"
    )


def read_hdf5(path: Path) -> Iterator[ForeignEmbedding]:
    """Read any of the three styles, one dataset at a time.

    Parameters
    ----------
    path : path
        The file.

    Yields
    ------
    ForeignEmbedding

    Raises
    ------
    MissingFileError
        There is no such file.
    InputError
        It is no HDF5 file, holds no dataset, or sends its reader to another file.
    """
    file = open_hdf5(path)  # open as long as one of its records is to be read
    names = list(_names(file, path))
    if not names:
        raise InputError(f"{path} holds no datasets. Write one a protein, [L, d]")
    for name, labels in zip(names, path_labels(map(PurePosixPath, names)), strict=True):
        yield _record(file, name, labels[1:], path)


def _names(file: h5py.File, path: Path) -> Iterator[str]:
    """Names of all datasets, those in groups too; a group that is in itself is read once."""
    addresses = {h5py.h5o.get_info(file.id).addr}
    groups: list[tuple[h5py.Group, int]] = [(file, 0)]
    while groups:
        group, depth = groups.pop()
        for name in group:
            item = own_item(group, name, path)
            if isinstance(item, h5py.Dataset):
                yield f"{group.name}/{name}".lstrip("/")
            elif item is not None and (address := h5py.h5o.get_info(item.id).addr) not in addresses:
                addresses.add(address)
                if depth == _DEEPEST:
                    raise InputError(
                        f"{path} has groups in groups, over {_DEEPEST} deep. Write its datasets "
                        f"into the root group"
                    )
                groups.append((item, depth + 1))


def _record(
    file: h5py.File, name: str, more_labels: tuple[str, ...], path: Path
) -> ForeignEmbedding:
    dataset = file[name]
    return ForeignEmbedding(
        _labels(dataset, (name, *more_labels)),
        tuple(dataset.shape or ()),
        dataset.dtype.kind,
        lambda: _values(file[name], path),
        max(int(dataset.nbytes), chunk_bytes(dataset)),
    )


def chunk_bytes(dataset: h5py.Dataset) -> int:
    """Bytes a chunk unpacks into; one value is read by unpacking its chunk."""
    return int(np.prod(dataset.chunks or (0,), dtype=np.float64)) * int(dataset.dtype.itemsize)


def _labels(dataset: h5py.Dataset, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names; after ``original_id`` only those that are hashes, for others are running numbers."""
    names = tuple(name.encode("utf-8", "replace").decode() for name in names)
    original = dataset.attrs.get("original_id")
    if original is None:
        return names
    raw = original.tobytes() if isinstance(original, np.void) else original
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    return (text, *(name for name in names if _HASH.fullmatch(name)))


def _values(dataset: h5py.Dataset, path: Path) -> NDArray[np.floating]:
    try:
        values: NDArray[np.floating] = dataset[...]
    except OSError as problem:
        raise InputError(
            f"{path}: dataset '{dataset.name}' cannot be read: {problem}. Get the file again"
        ) from None
    return values


def write_hdf5(
    path: Path, embeddings: Iterable[tuple[Protein, NDArray[np.floating]]], style: str = "uniprot"
) -> int:
    """Write one dataset a protein.

    An id that cannot be a dataset's name as it stands is changed, and kept in ``original_id``.

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
        raise InputError(
            f"HDF5 style '{style}' is none of {', '.join(STYLES)}. Choose one of these"
        )
    identities: set[str] = set()
    with h5py.File(path, "x") as file:
        for protein, values in embeddings:
            by_md5, by_sha256 = sequence_hashes(protein.sequence)
            identity = {"bio_embeddings": by_md5, "biotrainer": by_sha256}.get(style, protein.id)
            if identity in identities:
                continue
            identities.add(identity)
            key = _key(identity)
            if key in file:  # of another id
                key = f"{key}_{protein.digest.hex()[:12]}"
            dataset = file.create_dataset(key, data=values)
            if key != protein.id:
                dataset.attrs["original_id"] = _original_id(protein.id)
    return len(identities)


def _original_id(name: str) -> str | np.void:
    """An id as an attribute; HDF5's strings end with a NUL, so one with a NUL in it is opaque."""
    return np.void(name.encode()) if "\0" in name else name


_LONGEST = 1000
"""Letters of a dataset's name; HDF5 takes no more than 64 kB."""


def _key(name: str) -> str:
    """A name HDF5 takes as one: no groups, no NUL, not the group itself."""
    key = re.sub(r"[/\0]", "_", name)[:_LONGEST]
    return key if key.strip(".") else key.replace(".", "_") or "_"
