"""Search proteins near some queries by their mean embeddings, and transfer a task's labels to them.

Means are read where they are stored. What is searched and has none gets one first, from stored
residues or by the encoder, and keeps it; queries are embedded and not kept. Times follow: a first
search makes the means, later ones read them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...batches import batches_within
from ...encoders import registry
from ...encoders.base import Encoder
from ...errors import InputError, UnknownNameError
from ...failures import list_failures
from ...neighbours.lookup import Hit, LabelledLookup, Lookup
from ...progress import SILENT, Progress
from ...proteins import Protein
from ...provenance import Fingerprint, deepest, named_encoders
from ...store import Store, layout
from ...store.digest_index import as_rows
from ..embedding.embed import embed
from ..embedding.means import means_of
from ..embedding.missing_proteins import plan_embedding
from ..inputs import is_sequence
from ..proteinfiles import proteins_of
from .embedding_source import EmbeddingSource

QUERY_RESIDUES = 1_000_000
"""Residues of the queries that are embedded and searched at once."""
QUERIES = 1024
"""Queries that are searched at once: their similarities to a block take 17 MB a thread."""


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Parameters
    ----------
    count : int
        Hits a query.
    transfer : str, optional
        Task whose labels are transferred.
    align : bool
        Align each pair, for its identity.
    approximate : bool
        Search by an index, see `neighbours.approximate`; labels are transferred exactly all the
        same.
    plm : str, optional
        Encoder; the store's only one by default.
    weights : path, optional
        Its weights, see `registry.load`.
    device : str, optional
    """

    count: int = 10
    transfer: str | None = None
    align: bool = True
    approximate: bool = False
    plm: str | None = None
    weights: Path | None = None
    device: str | None = None


@dataclass(frozen=True)
class QueryResult:
    """What was found for one query.

    Parameters
    ----------
    id : str
    length : int
    hits : list of Hit
        The nearest first.
    label : object, optional
        Transferred: a class, classes, or a value.
    reliability : float, optional
        Its index, see `neighbours.label_transfer`.
    worth : float, optional
        Share of labels of such an index that were right on valid; of values the mean error.
    """

    id: str
    length: int
    hits: list[Hit]
    label: Any = None
    reliability: float | None = None
    worth: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**vars(self), "hits": [hit.to_json() for hit in self.hits]}

    def rows(self) -> list[dict[str, Any]]:
        """One row a hit, for a table."""
        return [
            {"query": self.id, "rank": rank, **hit.to_json()}
            for rank, hit in enumerate(self.hits, 1)
        ]


COLUMNS = {
    "query": "text",
    "rank": "integer",
    "id": "text",
    "digest": "text",
    "length": "integer",
    "similarity": "number",
    "identity": "number",
    "coverage": "number",
}
"""Columns of `QueryResult.rows`: name to kind."""


@dataclass
class SearchReport:
    """What a search did; the keys of ``search --json``.

    Parameters
    ----------
    encoder, fingerprint : str
        Of the residues' encoder.
    searched : int
        Proteins that were searched.
    without_mean : int
        Proteins that were meant and have no mean.
    queries : list of QueryResult
    transfer : dict, optional
        ``task``, its ``training_proteins``, ``neighbours`` that count, and ``calibrated_on`` how
        many proteins of valid.
    failed : dict of str to str
        Query, or protein to be searched, to reason.
    approximate : bool
        Whether an index was asked, so that near ones may be absent.
    """

    encoder: str
    fingerprint: str
    searched: int
    without_mean: int
    queries: list[QueryResult] = field(default_factory=list)
    transfer: dict[str, Any] | None = None
    failed: dict[str, str] = field(default_factory=dict)
    approximate: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**vars(self), "queries": [query.to_json() for query in self.queries]}


def query_proteins(store: Store, names: Iterable[str]) -> list[Protein]:
    """Return the proteins that queries name.

    Parameters
    ----------
    store : Store
    names : iterable of str
        Ids of proteins of the store, sequences as text, files of sequences, or tasks.

    Raises
    ------
    UnknownNameError, MissingFileError, RecordError
        A name is none of these, or a record of a file is wrong.
    """
    queries: list[Protein] = []
    tasks = store.tasks()
    for name in names:
        digests = [] if name in tasks or os.path.exists(name) else store.find_id(name)
        if digests:
            queries += [Protein(name, protein.sequence) for protein in store.proteins(digests)]
        elif not os.path.exists(name) and name not in tasks and is_sequence(name, tasks):
            queries.append(Protein.parse(f"seq{len(queries) + 1}", name))
        else:
            queries += proteins_of(store, name)
    return queries


def search_neighbours(
    store: Store,
    names: Sequence[str],
    where: str | None = None,
    options: SearchOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> SearchReport:
    """Find the proteins nearest to some queries.

    Parameters
    ----------
    store : Store
    names : sequence of str
        Queries, see `query_proteins`.
    where : str, optional
        What is searched: a task, a file of sequences, the folder of another store; all that this
        store has embedded by default. With `SearchOptions.transfer` the proteins of that task.
    options : SearchOptions, optional

    Raises
    ------
    InputError, UnknownNameError, MissingFileError
        A name is wrong, it is not clear which encoder is meant, or there is nothing to search.
    WeightsError
        Something has to be embedded, and the encoder's weights are absent.
    """
    options = options or SearchOptions()
    queries = query_proteins(store, names)
    where = where or options.transfer
    target, members = target_of(store, where)
    fingerprint = chosen_fingerprint(target, options)
    report = SearchReport(
        fingerprint.encoder, fingerprint.short, 0, 0, approximate=options.approximate
    )
    load = partial(registry.load_same, fingerprint, weights=options.weights, device=options.device)
    report.failed |= make_means(target, fingerprint, load, members, progress)
    means = target.embeddings(fingerprint.of_means)
    digests = None if members is None else digests_of(members)
    lookup = Lookup(target, means, digests, approximate=options.approximate, progress=progress)
    report.searched = len(lookup)
    count = target.count_proteins() if digests is None else len(np.unique(digests, axis=0))
    report.without_mean = count - report.searched
    labelled = None
    if options.transfer is not None:
        labelled = LabelledLookup(means, target.task(options.transfer))
        report.transfer = _about(labelled)
    source = EmbeddingSource(
        target,
        fingerprint.of_means,
        means.dim,
        lambda: means_of(target, fingerprint.encoder, load),
        keep=False,
        progress=progress,
    )
    with source, progress.stage("searching", len(queries), "queries") as bar:
        for chunk in batches_within(queries, QUERY_RESIDUES, len, QUERIES):
            _search(chunk, source, lookup, labelled, options, report)
            bar.advance(len(chunk))
    return report


def _search(
    chunk: list[Protein],
    source: EmbeddingSource,
    lookup: Lookup,
    labelled: LabelledLookup | None,
    options: SearchOptions,
    report: SearchReport,
) -> None:
    rows, failed = source.chunk(chunk)
    list_failures(report.failed, chunk, failed)
    chunk = [protein for protein in chunk if protein.digest in rows]
    if not chunk:
        return
    digests = digests_of(chunk)
    vectors = np.empty((len(chunk), rows.dim), rows.dtype)
    rows.gather(rows.find(digests), vectors)
    transfers: list[dict[str, Any]] = [{}] * len(chunk)
    if labelled is not None:
        transfers = [labelled.describe(*pair) for pair in labelled.transfer(digests, vectors)]
    hits = lookup.search(chunk, vectors, options.count, align=options.align)
    for protein, query_hits, transfer in zip(chunk, hits, transfers, strict=True):
        report.queries.append(QueryResult(protein.id, len(protein), query_hits, **transfer))


def target_of(store: Store, where: str | None) -> tuple[Store, list[Protein] | None]:
    """Return the store that is meant, and which of its proteins; None for all."""
    if where is None:
        return store, None
    if where in store.tasks():
        return store, list(proteins_of(store, where))
    if (Path(where) / layout.METADATA).is_file():
        return Store.open(where), None
    try:
        return store, list(proteins_of(store, where))
    except UnknownNameError:
        raise UnknownNameError(
            "task of this store",
            where,
            store.tasks(),
            "Name a task, a file of sequences, or the folder of a store.",
        ) from None


def chosen_fingerprint(store: Store, options: SearchOptions) -> Fingerprint:
    """Return the encoder that is meant, by its residues' fingerprint."""
    stored = {p.fingerprint.of_residues: None for p in store.encoders()}
    plm, candidates = options.plm, list(stored)
    if plm is not None:
        candidates = named_encoders(stored, registry.stored_name(plm))
        # prot_bert is not prot_bert_bfd, even where that alone is stored.
        with suppress(UnknownNameError):
            full_name = registry.spec(plm).full_name
            candidates = [print_ for print_ in candidates if print_.encoder == full_name]
        if not candidates:
            return registry.load(plm, weights=options.weights, device=options.device).fingerprint
    fitting = deepest(candidates)
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"{f.encoder} ({f.short})" for f in stored) or "none"
    raise InputError(
        f"which encoder? Name one with --plm, several by fingerprint (stored here: {names})"
    )


def make_means(
    store: Store,
    fingerprint: Fingerprint,
    load: partial[Encoder],
    members: list[Protein] | None,
    progress: Progress,
) -> dict[str, str]:
    """Store the means that are missing of what is searched; return what failed, with reasons."""
    if members is None:
        members = _with_residues(store, fingerprint)
    lacking = ~store.has_embeddings(fingerprint.of_means, digests_of(members))
    missing = [protein for protein, lacks in zip(members, lacking, strict=True) if lacks]
    if not missing:
        return {}
    progress.note(f"{len(missing):,} proteins have no mean yet: making and storing them")
    encoder = means_of(store, fingerprint.encoder, load)
    dtype = _dtype(store, fingerprint)
    plan = plan_embedding(store, encoder, missing, dtype=dtype)
    return embed(store, encoder, dtype=dtype, plan=plan, progress=progress).failed


def _dtype(store: Store, fingerprint: Fingerprint) -> str:
    """Storage type of the means there are, or float16."""
    stored = store.provenance_of(fingerprint.of_means)
    return "float16" if stored is None else stored.dtype


def _with_residues(store: Store, fingerprint: Fingerprint) -> list[Protein]:
    """Proteins whose residues are stored and that may lack a mean."""
    if store.provenance_of(fingerprint) is None:
        return []
    digests = store.embeddings(fingerprint).digests
    lacking = ~store.has_embeddings(fingerprint.of_means, digests)
    return list(store.proteins(row.tobytes() for row in digests[lacking]))


def _about(labelled: LabelledLookup) -> dict[str, Any]:
    calibration = labelled.calibration
    return {
        "task": labelled.task.name,
        "training_proteins": len(labelled),
        "neighbours": labelled.neighbours,
        "calibrated_on": 0 if calibration is None else calibration.proteins,
    }


def digests_of(proteins: Sequence[Protein]) -> NDArray[np.uint8]:
    """Digest of each protein, shape=(N, 32)."""
    return as_rows(protein.digest for protein in proteins)
