"""The formats by name: how each is read, and how it is written.

What goes out comes from `stored_embeddings`: one protein at a time, in bounded memory. A file or
folder is written beside its place and renamed, so it is there as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..durable_files import whole_file
from ..errors import InputError, MissingFileError, UnknownNameError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..provenance import Fingerprint, Layer, Provenance
from ..store import Embeddings, Store
from ..store.atomic_files import saying_when_full
from .embedding_record import ForeignEmbedding
from .hdf5 import read_hdf5, write_hdf5
from .imported_embeddings import SequenceBook, find_width
from .npy import read_npy, write_npy
from .ragged import read_ragged, write_ragged

Pairs = Iterable[tuple[Protein, NDArray[np.floating]]]


@dataclass(frozen=True)
class Format:
    """A foreign format of embeddings.

    Parameters
    ----------
    name, summary : str
        What it is called on the command line, and what it is.
    read : callable
        From (path, layer) to records.
    write : callable
        From (path, pairs, dim, layer) to the number of proteins written.
    keyed_by : str
        ``"id"`` where an id names a record, ``"sequence"`` where its hash or letters do.
    """

    name: str
    summary: str
    read: Callable[[Path, Layer | None], Iterator[ForeignEmbedding]]
    write: Callable[[Path, Pairs, int, Layer | None], int]
    keyed_by: str = "id"


def _hdf5(name: str, summary: str, keyed_by: str) -> Format:
    return Format(
        name,
        summary,
        lambda path, layer: read_hdf5(path),
        lambda path, pairs, dim, layer: write_hdf5(path, pairs, name),
        keyed_by,
    )


def _read_fairesm(path: Path, layer: Layer | None) -> Iterator[ForeignEmbedding]:
    from .fairesm import read_fairesm

    return read_fairesm(path, _layer(layer))


def _write_fairesm(path: Path, pairs: Pairs, dim: int, layer: Layer | None) -> int:
    from .fairesm import write_fairesm

    return write_fairesm(path, pairs, _layer(layer))


def _layer(layer: Layer | None) -> int:
    if not isinstance(layer, int):
        raise InputError("fair-esm's files hold layers by number: say which with --layer")
    return layer


FORMATS = {
    entry.name: entry
    for entry in (
        _hdf5("uniprot", "HDF5, one dataset an accession (UniProt)", "id"),
        _hdf5("bio_embeddings", "HDF5, keys are MD5 or numbers (bio_embeddings)", "sequence"),
        _hdf5("biotrainer", "HDF5, keys are SHA-256 (biotrainer)", "sequence"),
        Format("fairesm", "folder of .pt files (fair-esm)", _read_fairesm, _write_fairesm),
        Format(
            "scikit-bio",
            "one ragged HDF5 array (scikit-bio)",
            lambda path, layer: read_ragged(path),
            lambda path, pairs, dim, layer: write_ragged(path, pairs, dim),
            "sequence",
        ),
        Format(
            "npy",
            "folder of .npy files, named by id",
            lambda path, layer: read_npy(path),
            lambda path, pairs, dim, layer: write_npy(path, pairs),
        ),
    )
}
"""Formats of embeddings, by name."""


def format_named(name: str) -> Format:
    """Return a format; raises `UnknownNameError`."""
    if name not in FORMATS:
        raise UnknownNameError("format of embeddings", name, FORMATS)
    return FORMATS[name]


def read_files(
    paths: Sequence[Path], file_format: Format, proteins: SequenceBook, layer: Layer | None = None
) -> tuple[int, Iterator[ForeignEmbedding]]:
    """Read files of one format, and find the width of their embeddings.

    Parameters
    ----------
    paths : sequence of path
        Files, or folders for the formats that are folders.
    file_format : Format
        The format.
    proteins : SequenceBook
        The sequences they are about.
    layer : int, optional
        Which layer, for formats that hold several.

    Returns
    -------
    int
        d, see `find_width`.
    iterator of ForeignEmbedding
        All records, the ones looked at too.

    Raises
    ------
    MissingFileError, InputError
        A file is absent or not of this format, or no record is [L, d].
    """
    for path in paths:
        if not path.exists():
            raise MissingFileError(f"there is no file or folder '{path}'. Check its name")
    records = chain.from_iterable(file_format.read(path, layer) for path in paths)
    width, looked_at = find_width(records, proteins)
    if width:
        return width, chain(looked_at, records)
    if problem := next((record.problem for record in looked_at if record.problem), ""):
        raise InputError(problem)
    raise InputError(
        f"{paths[0]} holds no per-residue embeddings [L, d]. Means of proteins cannot be imported: "
        f"export per-residue embeddings from the tool that made them"
    )


def declare_provenance(
    encoder: str,
    file_format: Format,
    dim: int,
    *,
    dtype: str = "float16",
    layer: Layer | None = None,
    licence: str = "",
    citation: str = "",
) -> Provenance:
    """Provenance of embeddings another tool computed, as the user declares it.

    The weights are not known: ``weights_sha256`` says so, and ``imported_from`` names the format,
    so that imported embeddings never mix with computed ones.
    """
    fingerprint = Fingerprint(
        encoder=encoder,
        weights_sha256="not known",
        layer=-1 if layer is None else layer,
        residue_mapping="not known",
        long_policy="not known",
        precision="not known",
        imported_from=file_format.name,
    )
    return Provenance(fingerprint, dim, dtype, licence, citation)


def stored_embeddings(
    store: Store,
    view: Embeddings,
    proteins: Iterable[Protein],
    *,
    mean: bool = False,
    progress: Progress = SILENT,
    total: int | None = None,
) -> Iterator[tuple[Protein, NDArray[np.floating]]]:
    """Yield embeddings out of a store, one at a time.

    Parameters
    ----------
    store, view : Store, Embeddings
        Where from.
    proteins : iterable of Protein
        Which, under which ids.
    mean : bool
        The mean over residues, float32 [d], instead of [L, d].

    Raises
    ------
    NotStoredError
        The store lacks one.
    """
    with progress.stage("exporting", total, "proteins") as bar:
        for protein in proteins:
            values = view.get(protein.digest)
            yield protein, values.astype(np.float32).mean(0) if mean else values
            bar.advance()


def write_whole(path: Path, write: Callable[[Path], int]) -> int:
    """Run `write` on a name beside `path` and rename; what is half-written is removed.

    Raises
    ------
    InputError
        There is something at `path`.
    StorageFullError
        No space left.
    """
    if path.exists() or path.is_symlink():
        raise InputError(f"'{path}' exists already. Name another file, or remove it first")
    path.parent.mkdir(parents=True, exist_ok=True)
    with saying_when_full(path), whole_file(path) as beside:
        return write(beside)
