"""What of the proteins asked for a store lacks under an encoder, in bounded memory.

Proteins are read record by record and made known to the store; what is kept of each is its digest
and length, 36 bytes, so that UniRef50 takes 2 GB and not tens. Sequences come back from the store
as they are encoded.
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...encoders.base import Encoder
from ...errors import InputError
from ...memory import size
from ...proteins import DIGEST_BYTES, Protein
from ...residues import STORAGE_TYPES
from ...store import Store

CHUNK_RESIDUES = 20_000_000
"""Residues of the sequences in memory at once: 20 MB, and enough to sort by length within."""


@dataclass(frozen=True, eq=False)
class MissingProteins:
    """Proteins that are to be encoded, each once; iterated, they are read from the store.

    Parameters
    ----------
    store : Store
        Knows all of them.
    digests : ndarray, shape=(N, 32), dtype=uint8
    lengths : ndarray, shape=(N,), dtype=int32
        Residues of each.
    """

    store: Store
    digests: NDArray[np.uint8]
    lengths: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.digests)

    def __iter__(self) -> Iterator[Protein]:
        return self.store.proteins(row.tobytes() for row in self.digests)

    def chunks(self, residues: int = CHUNK_RESIDUES) -> Iterator[list[Protein]]:
        """Yield the proteins, so many residues at a time, and at least one protein."""
        ends = np.cumsum(self.lengths, dtype=np.int64)
        start = 0
        while start < len(self):
            offset = int(ends[start - 1]) if start else 0
            stop = max(int(np.searchsorted(ends, offset + residues, "right")), start + 1)
            yield list(self.store.proteins(row.tobytes() for row in self.digests[start:stop]))
            start = stop


@dataclass(frozen=True)
class EmbedPlan:
    """What an embedding run would do.

    Parameters
    ----------
    proteins, already_stored : int
        Sequences asked for, and those of them the store has under every layer.
    todo : MissingProteins
        The rest.
    bytes, free_bytes : int
        What they will take on disk, and what is free.
    """

    proteins: int
    already_stored: int
    todo: MissingProteins
    bytes: int
    free_bytes: int

    @property
    def residues(self) -> int:
        """Residues to encode."""
        return int(self.todo.lengths.sum(dtype=np.int64))

    def sentence(self, plm: str, url: str | None = None) -> str:
        """Say what is about to be done by an encoder, to a folder or to the store of a URL."""
        if not self.todo:
            return (
                f"all {self.already_stored:,} sequences are already embedded with {plm}: nothing "
                f"to do"
            )
        place = f"in {url}" if url else f"on disk ({size(self.free_bytes)} free)"
        return (
            f"{len(self.todo):,} of {self.proteins:,} sequences to embed with {plm}: "
            f"{self.residues:,} residues, {size(self.bytes)} {place}"
        )


def plan_embedding(
    store: Store,
    encoder: Encoder,
    proteins: Iterable[Protein] | None = None,
    *,
    dtype: str = "float16",
    all_stored: bool = False,
) -> EmbedPlan:
    """Work out what is missing, without running the encoder.

    Parameters
    ----------
    store : Store
        Where to look, and later write.
    encoder : Encoder
        Its fingerprints decide what counts as stored: under every one of them.
    proteins : iterable of Protein, optional
        What is asked for, read once; every protein the store knows by default.
    dtype : str
        Storage type.
    all_stored : bool
        The store knows these proteins; else they become known to it now.

    Returns
    -------
    EmbedPlan

    Raises
    ------
    InputError
        There is no such storage type.
    """
    if dtype not in STORAGE_TYPES:
        raise InputError(
            f"there is no storage type '{dtype}'. Choose one of {', '.join(STORAGE_TYPES)}"
        )
    distinct = _DistinctProteins()
    if proteins is not None and not all_stored:
        store.add_proteins(distinct.passing(proteins))
        store.flush()
    else:
        for _ in distinct.passing(store.proteins() if proteins is None else proteins):
            pass
    digests, lengths = distinct.distinct()
    by_layer = [~store.has_embeddings(print_, digests) for print_ in encoder.fingerprints]
    lacking = np.any(by_layer, axis=0)
    todo = MissingProteins(store, digests[lacking], lengths[lacking])
    rows = encoder.fingerprint.rows(lengths.astype(np.int64))
    row_bytes = encoder.dim * np.dtype(dtype).itemsize + (2 if dtype == "int8" else 0)
    return EmbedPlan(
        proteins=len(digests),
        already_stored=len(digests) - len(todo),
        todo=todo,
        bytes=sum(int(rows[lack].sum()) for lack in by_layer) * row_bytes,
        free_bytes=shutil.disk_usage(store.path).free,
    )


class _DistinctProteins:
    """Digests and lengths of the proteins that passed."""

    def __init__(self) -> None:
        self._digests, self._lengths = bytearray(), array("i")

    def passing(self, proteins: Iterable[Protein]) -> Iterator[Protein]:
        for protein in proteins:
            self._digests += protein.digest
            self._lengths.append(len(protein))
            yield protein

    def distinct(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Each digest once, in the order of first sight, with its length."""
        rows = np.frombuffer(self._digests, np.dtype((np.void, DIGEST_BYTES)))
        first = np.sort(np.unique(rows, return_index=True)[1])
        digests = np.frombuffer(self._digests, np.uint8).reshape(-1, DIGEST_BYTES)
        return digests[first], np.frombuffer(self._lengths, np.int32)[first]
