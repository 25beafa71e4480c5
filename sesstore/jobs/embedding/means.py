"""Means as a kind of store: one row a protein, under a fingerprint of its own.

A mean comes from residues that are stored where there are any, else from the encoder, whose
residues are then not kept: 2 KB a protein where residues take a megabyte. Both ways give the same
numbers to the rounding of the storage type. To every other part of a store means are embeddings of
one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...encoders.base import Encoder
from ...errors import MissingExtraError, NotStoredError, UnknownNameError, WeightsError
from ...proteins import Protein
from ...provenance import Fingerprint
from ...residues import Embedding
from ...store import Embeddings, Store
from ...streaming.means import mean_embeddings
from ...streaming.reader import EmbeddingRows

READ_PROTEINS = 1024
"""Stored proteins whose means are in memory at once."""


class MeanEncoder:
    """An encoder that gives one row a protein, the mean of its residues' rows; an `Encoder`.

    Parameters
    ----------
    encoder : Encoder
        Gives the residues of what is not stored.
    residues : sequence of Embeddings
        A store's residues by the same encoder, of each layer it keeps; empty where one has none.
    """

    def __init__(self, encoder: Encoder, residues: Sequence[Embeddings] = ()) -> None:
        self._encoder, self._residues = encoder, residues
        self.name, self.full_name = f"{encoder.name}, means", encoder.full_name
        self.dim, self.window = encoder.dim, encoder.window
        self.licence, self.citation = encoder.licence, encoder.citation
        self.fingerprints = tuple(print_.of_means for print_ in encoder.fingerprints)
        self.fingerprint = self.fingerprints[0]
        self.device = getattr(encoder, "device", torch.device("cpu"))
        self.failures: dict[bytes, str] = {}

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        """Yield the mean of each protein, [1, d], float32; stored ones first."""
        self.failures, missing = {}, list(proteins)
        if self._residues:
            digests = [protein.digest for protein in proteins]
            rows: NDArray[np.int64] = np.stack([view.find(digests) for view in self._residues])
            stored = rows.min(axis=0) >= 0
            missing = [p for p, there in zip(proteins, stored.tolist(), strict=True) if not there]
            for output, view in enumerate(self._residues):
                yield from _stored_means(view, rows[output, stored], output)
        if missing:
            for embedding in self._encoder.encode(missing):
                mean = embedding.values.mean(0, dtype=np.float32, keepdims=True)
                yield replace(embedding, values=mean)
            self.failures = self._encoder.failures

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein that is not stored."""
        return self._encoder.flops(length)


class StoredEncoder:
    """Stands in for an encoder that cannot be run here: it knows what a store has by it.

    Parameters
    ----------
    residues : Embeddings
    reason : str
        Why it cannot be run.
    """

    def __init__(self, residues: Embeddings, reason: str) -> None:
        provenance = residues.provenance
        self.fingerprint, self.dim = provenance.fingerprint, provenance.dim
        self.fingerprints = (self.fingerprint,)
        self.name = self.full_name = provenance.fingerprint.encoder
        self.licence, self.citation = provenance.licence, provenance.citation
        self.window: int | None = None
        self.failures: dict[bytes, str] = {}
        self._reason = reason

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        """Yield nothing; `failures` says why."""
        reason = f"its residues are not stored, and the encoder cannot be run: {self._reason}"
        self.failures = {protein.digest: reason for protein in proteins}
        yield from ()

    def flops(self, length: int) -> int:
        """Nothing is computed."""
        return 0


def mean_encoder(make_encoder: Callable[[], Encoder]) -> MeanEncoder:
    """Make an encoder of means, such as in a worker that has no store to read from."""
    return MeanEncoder(make_encoder())


def means_of(
    store: Store, plm: str, make_encoder: Callable[..., Encoder], **settings: Any
) -> MeanEncoder:
    """Return the encoder of means that reads what a store has residues of.

    Parameters
    ----------
    store : Store
    plm : str
        Name of the encoder, or of one whose embeddings were imported; or a fingerprint.
    make_encoder : callable
        Makes it ready; where that cannot be, means come from stored residues alone.
    settings
        Passed on to `make_encoder`.

    Raises
    ------
    WeightsError, MissingExtraError, UnknownNameError
        The encoder cannot be run here, and the store has no residues by it.
    """
    try:
        encoder = make_encoder(**settings)
    except (WeightsError, MissingExtraError, UnknownNameError) as problem:
        try:
            residues = store.embeddings(plm)
        except NotStoredError:
            raise problem from None
        return MeanEncoder(StoredEncoder(residues, str(problem)), [residues])
    views = [_view(store, fingerprint) for fingerprint in encoder.fingerprints]
    stored = [view for view in views if view is not None]
    return MeanEncoder(encoder, stored if len(stored) == len(views) else ())


def protein_means(store: Store, view: EmbeddingRows, digests: NDArray[np.uint8]) -> Tensor:
    """Mean embedding of each protein: as stored, if all are, else from its residues.

    Parameters
    ----------
    store : Store
    view : EmbeddingRows
        Residues of the proteins, or their means.
    digests : ndarray, shape=(N, 32), dtype=uint8

    Returns
    -------
    Tensor, shape=(N, d), dtype=float32
    """
    means = stored_means(store, view.provenance.fingerprint)
    if means is not None:
        rows = means.find(digests)
        if (rows >= 0).all():
            return mean_embeddings(means, rows)
    return mean_embeddings(view, view.find(digests))


def stored_means(store: Store, fingerprint: Fingerprint) -> Embeddings | None:
    """Open the means a store has by an encoder, if any."""
    return _view(store, fingerprint.of_means)


def _view(store: Store, fingerprint: Fingerprint) -> Embeddings | None:
    return None if store.provenance_of(fingerprint) is None else store.embeddings(fingerprint)


def _stored_means(view: Embeddings, rows: NDArray[Any], output: int) -> Iterator[Embedding]:
    for start in range(0, len(rows), READ_PROTEINS):
        block = rows[start : start + READ_PROTEINS]
        for row, mean in zip(block.tolist(), mean_embeddings(view, block).numpy(), strict=True):
            yield Embedding(view.digests[row].tobytes(), mean[None], output=output)
