"""Nearest rows by cosine beyond what is searched exactly: an HNSW index by USearch.

Malkov and Yashunin's graph (2018, doi:10.1109/TPAMI.2018.2889473) leads to rows that are probably
near, whose cosines are then worked out exactly from the means themselves: what is listed is right,
and a near row may be absent. The index is a file in the cache folder that is mapped, so that a
search reads a few pages of it. Its name is that of what it was built from: other means, other
proteins or another order of them are another file, so an index that is out of date is never read.

Building holds the index in memory, as much as the means in float16 and 400 bytes a row.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache_folders import cache_folder
from ..durable_files import whole_file
from ..errors import MissingExtraError, SesstoreError
from ..memory import available_memory, size
from ..progress import SILENT, Progress
from ..store.atomic_files import check_writable
from .cosine import MeanRows, Nearest, as_float32, unit

FILES = 4
"""Indices that stay in the cache folder: the last that were used."""
CONNECTIVITY, EXPANSION = 16, 128
"""Edges of a node, and nodes that are looked at to place one, as USearch does by default."""
CANDIDATES = 10
"""Rows that are compared exactly, for each that is wanted; `EXPANSION` at least."""

_BLOCK_ROWS = 8192
_QUERIES = 64
"""Queries whose candidates are in memory at once: 33 MB at 1,280 columns."""
_ROW_BYTES = 400
"""Of a node's edges, in memory."""


class ApproximateIndex:
    """An index of means. Get one by `approximate_index`.

    Parameters
    ----------
    path : path
        Its file.
    rows : MeanRows
        What it was built from.

    Raises
    ------
    RuntimeError, ValueError
        The file is no index, or cut short, or empty.
    """

    def __init__(self, path: Path, rows: MeanRows) -> None:
        self._index, self._rows = _empty(rows.shape[1]), rows
        # Mapped here: where it fails to, USearch closes a file that is not its own, standard input.
        with path.open("rb") as file:
            self._file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._index.view(self._file)

    def __len__(self) -> int:
        return len(self._index)

    def nearest(self, queries: NDArray[Any], count: int) -> Nearest:
        """Find rows similar to each query, probably the most similar ones.

        Parameters
        ----------
        queries : ndarray, shape=(Q, d)
        count : int
            How many, k.

        Returns
        -------
        Nearest
            With exact cosines; -1 fills up where fewer were found.
        """
        directions = unit(queries)
        count = min(count, len(self))
        candidates = min(max(EXPANSION, CANDIDATES * count), len(self))
        rows = np.full((len(directions), count), -1, np.int64)
        similarity = np.full((len(directions), count), -np.inf, np.float32)
        for start in range(0, len(directions), _QUERIES):
            part = slice(start, start + _QUERIES)
            keys = self._candidates(directions[part], candidates)
            members = np.unique(np.concatenate(keys))
            vectors = unit(self._rows[members])
            for query, places in enumerate(np.searchsorted(members, group) for group in keys):
                cosines = vectors[places] @ directions[start + query]
                best = np.lexsort((members[places], -cosines))[:count]
                rows[start + query, : len(best)] = members[places][best]
                similarity[start + query, : len(best)] = cosines[best]
        return Nearest(rows, np.clip(similarity, -1, 1))

    def _candidates(self, directions: NDArray[np.float32], count: int) -> list[NDArray[np.int64]]:
        matches = self._index.search(directions, count)
        if len(directions) == 1:  # then they are those of the one query
            return [matches.keys.astype(np.int64)]
        return [
            keys[:length].astype(np.int64)
            for keys, length in zip(matches.keys, matches.counts.tolist(), strict=True)
        ]


def approximate_index(rows: MeanRows, progress: Progress = SILENT) -> ApproximateIndex:
    """Open the index of some means; it is built first, and kept, where there is none.

    Parameters
    ----------
    rows : MeanRows
    progress : Progress
        Told what is built.

    Raises
    ------
    MissingExtraError
        The extra ``[search]`` is not installed.
    SesstoreError
        There is too little memory to build it, or no place to write it to.
    """
    _empty(rows.shape[1])  # what is missing is known before anything is read
    folder = cache_folder() / "neighbours"
    path = folder / f"{_identity(rows)}.usearch"
    if path.is_file():
        try:
            index = ApproximateIndex(path, rows)
        except (RuntimeError, ValueError) as problem:
            progress.note(f"the index '{path}' cannot be read and is built anew: {problem}")
        else:
            if len(index) == len(rows):
                with suppress(OSError):  # of a cache that is read only
                    os.utime(path)
                return index
    progress.note(f"an index of {len(rows):,} proteins is built first, and kept in '{folder}'")
    _build(path, rows, progress)
    _drop_old(folder)
    return ApproximateIndex(path, rows)


def _identity(rows: MeanRows) -> str:
    """Digest of what an index is built from: the means' encoder and type, and which, in order."""
    provenance = rows.provenance
    about = f"{provenance.fingerprint.digest} {provenance.dtype} {CONNECTIVITY} {EXPANSION}"
    return sha256(about.encode() + rows.digests.tobytes()).hexdigest()[:32]


def _empty(dim: int) -> Any:
    try:
        from usearch.index import Index
    except ImportError:
        raise MissingExtraError("an approximate search", "search") from None
    return Index(
        ndim=dim,
        metric="cos",
        dtype="f16",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION,
        expansion_search=EXPANSION,
    )


def _build(path: Path, rows: MeanRows, progress: Progress) -> None:
    build_bytes, free = len(rows) * (2 * rows.shape[1] + _ROW_BYTES), available_memory()
    if build_bytes > free:
        raise SesstoreError(
            f"an index of {len(rows):,} proteins takes about {size(build_bytes)} of memory to "
            f"build, and {size(free)} are free. Search exactly (without --approximate), or fewer "
            f"proteins (--in)"
        )
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_writable(path)
    index = _empty(rows.shape[1])
    with progress.stage("indexing", len(rows), "proteins") as bar:
        for start in range(0, len(rows), _BLOCK_ROWS):
            block = as_float32(np.ascontiguousarray(rows[start : start + _BLOCK_ROWS]))
            keys = np.arange(start, start + len(block), dtype=np.uint64)
            index.add(keys, block)
            bar.advance(len(block))
    with _writing(path.parent), whole_file(path) as beside:
        index.save(beside)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say what to do where a folder takes no index."""
    try:
        yield
    except (OSError, RuntimeError) as problem:  # USearch says what the system says
        raise SesstoreError(
            f"the index cannot be written to '{folder}': {problem}. Make room there, or name "
            f"another folder for caches in SESSTORE_CACHE"
        ) from None


def _drop_old(folder: Path) -> None:
    """Remove all but the last indices that were used."""
    indices = folder.glob("[!.]*.usearch")  # another process may be writing a hidden one
    for file in sorted(indices, key=_last_use, reverse=True)[FILES:]:
        file.unlink(missing_ok=True)


def _last_use(file: Path) -> float:
    """When an index was used last; 0 if another process has just removed it."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
