"""Embeddings of one chunk of proteins after another: read where they are stored, else computed.

What is computed is handed out as the store would give it back (cast to its storage type), so that a
number does not depend on whether it was stored before; with ``keep`` it is stored. Memory is that
of the chunk in hand. A sequence that comes again in a later chunk is computed again unless it was
stored before the first: nothing that grows with the input is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...encoders.base import Encoder
from ...progress import SILENT, Progress
from ...proteins import Protein
from ...provenance import Fingerprint, Provenance
from ...residues import to_storage
from ...store import Embeddings, Store
from ...store.segment_writer import SegmentWriter
from ..embedding.background_writer import cast
from ..embedding.embed import failure_reasons, made_on, provenances_of


class InMemoryEmbeddings:
    """Embeddings of some proteins in memory; an `EmbeddingRows`.

    Parameters
    ----------
    provenance : Provenance
        Whose they are.
    values : dict of bytes to ndarray, shape=(L, d), dtype=float16 | float32
        By digest.
    """

    def __init__(self, provenance: Provenance, values: dict[bytes, NDArray[Any]]) -> None:
        self.provenance = provenance
        self._rows = {digest: row for row, digest in enumerate(values)}
        self._values = list(values.values())
        self.lengths = np.array([len(rows) for rows in self._values], np.int64)
        """Residues of each protein, shape=(P,), dtype=int64."""

    @property
    def dim(self) -> int:
        """Width d of one residue's embedding."""
        return self.provenance.dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values; what is stored as int8 is float32 here."""
        return np.dtype("float32" if self.provenance.dtype == "int8" else self.provenance.dtype)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._rows

    def __len__(self) -> int:
        return len(self._values)

    def find(self, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Row of each digest, shape=(B,), -1 where there is none."""
        return np.array([self._rows.get(row.tobytes(), -1) for row in digests], np.int64)

    def locate(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """Where proteins lie: each is an array of its own."""
        return rows.astype(np.int32), np.zeros_like(rows), self.lengths[rows]

    def gather(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Copy the residues of some proteins back to back into `out`, shape=(T, d)."""
        np.concatenate([self._values[row] for row in rows.tolist()], out=out)


class EmbeddingSource:
    """Gives embeddings chunk by chunk; use it in a ``with`` block, which stores what is kept.

    Parameters
    ----------
    store : Store or None
        Where to look.
    fingerprint : Fingerprint
        Of the encoder.
    dim : int
        Its width.
    load : callable
        Makes the encoder ready; called when something is missing for the first time.
    keep : bool
        Store what is computed.
    progress : Progress
        Told when the encoder is needed.
    """

    def __init__(
        self,
        store: Store | None,
        fingerprint: Fingerprint,
        dim: int,
        load: Callable[[], Encoder],
        keep: bool,
        progress: Progress = SILENT,
    ) -> None:
        self._store, self._keep, self._progress = store, keep, progress
        self._load = load
        self._encoder: Encoder | None = None
        self._view: Embeddings | None = None
        self._writer: SegmentWriter | None = None
        if store is not None and store.provenance_of(fingerprint) is not None:
            self._view = store.embeddings(fingerprint)
        self.provenance = (
            Provenance(fingerprint, dim, "float16") if self._view is None else self._view.provenance
        )
        self.computed = 0
        """Sequences the encoder was run on."""

    def __enter__(self) -> EmbeddingSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, trace)

    def chunk(self, proteins: Sequence[Protein]) -> tuple[InMemoryEmbeddings, dict[bytes, str]]:
        """Return the embeddings of some proteins, and why there is none, by digest.

        Raises
        ------
        FingerprintMismatchError
            Something is missing, and the loaded encoder has another fingerprint.
        StorageFullError
            No space left to keep them in; all segments committed before stay.
        """
        distinct = {protein.digest: protein for protein in reversed(proteins)}
        values, missing = self._stored(distinct)
        failed: dict[bytes, str] = {}
        if missing:
            values |= self._compute(missing)
            failed = failure_reasons(self._ready(), missing, values)
        return InMemoryEmbeddings(self.provenance, values), failed

    def _stored(
        self, proteins: dict[bytes, Protein]
    ) -> tuple[dict[bytes, NDArray[Any]], list[Protein]]:
        if self._view is None:
            return {}, list(proteins.values())
        rows = self._view.find(list(proteins))
        values = {d: self._view.get(d) for d, row in zip(proteins, rows, strict=True) if row >= 0}
        return values, [protein for digest, protein in proteins.items() if digest not in values]

    def _compute(self, missing: list[Protein]) -> dict[bytes, NDArray[Any]]:
        encoder, computed = self._ready(), {}
        writer = self._open_writer(encoder)
        if writer is not None and self._store is not None:
            self._store.add_proteins(missing)
        for embedding in encoder.encode(missing):
            stored = to_storage(embedding, self.provenance.dtype, cast=cast)
            if writer is not None:
                writer.add(stored)
            values: NDArray[Any] = stored.values
            if stored.scales is not None:
                values = values.astype(np.float32) * stored.scales.astype(np.float32)[:, None]
            computed[embedding.digest] = values
        self.computed += len(computed)
        return computed

    def _ready(self) -> Encoder:
        if self._encoder is None:
            self._encoder = self._load()
            self.provenance.fingerprint.check_same(self._encoder.fingerprint)
            suffix = "" if self._keep else ", and not kept"
            self._progress.note(f"embedding with {self._encoder.name} what is not stored{suffix}")
        return self._encoder

    def _open_writer(self, encoder: Encoder) -> SegmentWriter | None:
        if self._writer is None and self._keep and self._store is not None:
            (provenance,) = provenances_of(encoder, self.provenance.dtype)
            self._writer = self._store.writer(provenance, made_on(encoder))
        return self._writer
