"""Nearest proteins of a stored one, as a served store tells them: JSON, from means that are stored.

A server runs no encoder: a query is a protein of the store, by id, digest or sequence, whose mean
is there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InputError, NotStoredError
from ...neighbours.lookup import LabelledLookup, Lookup
from ...provenance import named_encoders
from ...store import Embeddings, Store
from ...store.digest_index import as_rows
from .contents import MOST_FOUND, search

MOST_HITS = 100


def neighbours(
    store: Store,
    query: str,
    *,
    count: int = 10,
    task: str | None = None,
    transfer: str | None = None,
    encoder: str | None = None,
) -> dict[str, Any]:
    """Find the proteins nearest to stored ones.

    Parameters
    ----------
    store : Store
    query : str
        As of `contents.search`; of several proteins that fit each is a query.
    count : int
        Hits, at most `MOST_HITS`.
    task, transfer : str, optional
        Search only the proteins of a task; transfer the labels of one.
    encoder : str, optional
        Name or fingerprint, where there are means by several.

    Returns
    -------
    dict
        ``encoder``, ``searched`` and ``queries``, each with ``id``, ``length``, ``hits`` and, with
        `transfer`, ``label``, ``reliability`` and ``worth``.

    Raises
    ------
    InputError
        The query is empty, or it is not clear which encoder is meant.
    NotStoredError
        The store does not know the protein, or has no means.
    UnknownNameError
        There is no such task.
    """
    if not 1 <= count <= MOST_HITS:
        raise InputError(f"ask for 1 to {MOST_HITS} hits, not {count}")
    means = _means(store, encoder)
    digests = [bytes.fromhex(entry["digest"]) for entry in search(store, query)[:MOST_FOUND]]
    digests = [digest for digest in digests if digest in means]
    if not digests:
        raise NotStoredError(
            "no protein of the store with a mean fits the query. Give an id, a digest or a "
            "sequence of the store; `sesstore search` embeds new ones"
        )
    proteins = list(store.proteins(digests))
    vectors = np.concatenate([means.get(digest) for digest in digests])
    among = None
    if task is not None:
        splits = [split.digests for split in store.task(task).splits.values()]
        among = np.concatenate(splits)
    lookup = Lookup(store, means, among)
    results: list[dict[str, Any]] = [
        {"id": protein.id, "length": len(protein), "hits": [hit.to_json() for hit in hits]}
        for protein, hits in zip(proteins, lookup.search(proteins, vectors, count), strict=True)
    ]
    if transfer is not None:
        labelled = LabelledLookup(means, store.task(transfer))
        transfers = labelled.transfer(as_rows(digests), vectors)
        for result, transfer_worth in zip(results, transfers, strict=True):
            result |= labelled.describe(*transfer_worth)
    return {
        "encoder": means.provenance.fingerprint.encoder,
        "searched": len(lookup),
        "queries": results,
    }


def _means(store: Store, encoder: str | None) -> Embeddings:
    """The means that are meant."""
    stored = [p.fingerprint for p in store.encoders() if p.fingerprint.reduction]
    if encoder is not None:
        stored = named_encoders(stored, encoder)
    if not stored:
        raise NotStoredError(
            "the store has no such means of proteins. Its owner makes them with "
            "`sesstore embed --plm NAME --reduce mean`"
        )
    if len(stored) > 1:
        names = ", ".join(f"{f.encoder} ({f.short})" for f in stored)
        raise InputError(f"which encoder? Say plm=NAME or its fingerprint ({names})")
    return store.embeddings(stored[0])
