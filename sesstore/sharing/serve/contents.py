"""What a served store shows of itself: contents, coverage, search, lengths, and a map of a task."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, NotStoredError
from ...neighbours.projection import principal_components
from ...proteins import normalise
from ...store import Embeddings, Store, Tokens, layout
from ...store.encoder_lookup import stored_encoders
from ...store.partial_reads import Damaged, leaving_out
from ...store.protein_table import ProteinTable
from ...store.summary import summarise
from ...tasks import Problem, Split, Task

MOST_POINTS = 1500
MOST_FOUND = 20
MOST_QUERY = 50_000
_BINS = 32
_CLASSES = 7
_PRIVATE = ("command", "pulled", "path")
_LETTERS = re.compile(r"[A-Za-z*\s]+")


def contents(store: Store) -> dict[str, Any]:
    """Everything a catalogue says of a store, as plain values.

    Returns
    -------
    dict
        As `Summary.to_json`, with the lengths of all proteins as a ``histogram``, and for every
        task its distinct ``proteins`` and the ``coverage`` of them by encoders and sources, 0 to 1.
        What is damaged is left out and counted (``damaged``); command lines and paths of what made
        it are nobody's business.
    """
    damage: list[str] = []
    summary = summarise(store, damage.append)
    summary_json: dict[str, Any] = _public(summary.to_json())
    summary_json["histogram"] = histogram(np.zeros(0, np.int64))
    with leaving_out(damage.append):
        summary_json["histogram"] = histogram(_lengths(store))
    intact = [encoder.provenance for encoder in summary.encoders]
    views = [view for view in _views(store, damage.append) if view.provenance in intact]
    sources = [source.source for source in summary.sources]
    for task in summary_json["tasks"]:
        digests = _digests(store.task(task["name"]))
        task["proteins"] = len(digests)
        encoders = {v.provenance.fingerprint.short: v.find(digests) >= 0 for v in views}
        task["coverage"] = {
            "encoders": {short: _share(hits) for short, hits in encoders.items()},
            "sources": {name: store.tokens(name).coverage(digests) for name in sources},
        }
    summary_json["damaged"] = len(set(damage))
    return summary_json


def _public(value: Any) -> Any:
    """Plain values without what says how and where somebody works."""
    if isinstance(value, dict):
        return {key: _public(part) for key, part in value.items() if key not in _PRIVATE}
    return [_public(part) for part in value] if isinstance(value, list) else value


def _holds(tokens: Tokens, digest: bytes) -> bool:
    with leaving_out(lambda _: None):
        return digest in tokens
    return False


def _views(store: Store, damaged: Damaged) -> list[Embeddings]:
    """Embeddings of all encoders but those that are damaged."""
    views = []
    for folder, provenance in stored_encoders(store.path, damaged):
        with leaving_out(damaged):
            views.append(Embeddings(folder, provenance))
    return views


def histogram(lengths: NDArray[np.int64]) -> dict[str, Any]:
    """Count proteins by length.

    Returns
    -------
    dict
        ``edges`` (n + 1) and ``counts`` (n); the last bin takes everything beyond the 99th
        percentile; ``longest`` and ``median``.
    """
    if not len(lengths):
        return {"edges": [], "counts": [], "longest": 0, "median": 0}
    top = max(float(np.percentile(lengths, 99)), float(lengths.min()) + 1)
    step = max(1, int(np.ceil(top / _BINS)))
    edges = np.arange(0, top + step, step)
    counts, _ = np.histogram(np.minimum(lengths, edges[-1] - 1e-9), edges)
    return {
        "edges": edges.astype(int).tolist(),
        "counts": counts.tolist(),
        "longest": int(lengths.max()),
        "median": int(np.median(lengths)),
    }


def search(store: Store, query: str) -> list[dict[str, Any]]:
    """Find proteins by id, by digest (or its start of at least eight digits), or by sequence.

    Returns
    -------
    list of dict
        At most `MOST_FOUND`: ``id``, ``length``, ``digest``, ``sequence``, and which ``encoders``
        and ``sources`` have it.

    Raises
    ------
    InputError
        The query is empty or too long.
    """
    query = query.strip()
    if not query or len(query) > MOST_QUERY:
        raise InputError(f"search for an id, a digest or a sequence of at most {MOST_QUERY:,}")
    named = store.find_id(query)
    digests = dict.fromkeys(named)
    if re.fullmatch("[0-9a-fA-F]{8,64}", query):
        digests.update(dict.fromkeys(store.find_digests(query, MOST_FOUND)))
    if not digests and _LETTERS.fullmatch(query):
        digests[_digest_of_sequence(query)] = None
    views = _views(store, lambda _: None)
    sources = {name: store.tokens(name) for name in store.sources()}
    rows = []
    for digest in list(digests)[:MOST_FOUND]:
        try:
            protein = store.protein(digest)
        except NotStoredError:
            continue
        rows.append(
            {
                # An id may be the start of another protein's digest, which keeps its own.
                "id": query if digest in named else protein.id,
                "length": len(protein),
                "digest": digest.hex(),
                "sequence": protein.sequence,
                "encoders": [v.provenance.fingerprint.title for v in views if digest in v],
                "sources": [name for name, tokens in sources.items() if _holds(tokens, digest)],
            }
        )
    return rows


def task_map(store: Store, name: str, encoder: str | None = None) -> dict[str, Any]:
    """Two principal components of a task's proteins, each the mean of its residues' embeddings.

    Parameters
    ----------
    store : Store
    name : str
        The task. Of more than `MOST_POINTS` proteins with an embedding, so many are drawn.
    encoder : str, optional
        The encoder.

    Returns
    -------
    dict
        ``points`` (x, y between -1 and 1, id, split, group), ``groups`` (names in the order of
        colours), ``variance`` (share of the two), ``of`` (proteins there are), ``histogram``.

    Raises
    ------
    UnknownNameError, NotStoredError, FingerprintMismatchError
        There is no such task or encoder, or it is not clear which.
    """
    task, view = store.task(name), store.embeddings(encoder)
    rows, positions = _rows(task, view)
    count = len(rows)
    if count > MOST_POINTS:
        sample = np.sort(np.random.default_rng(0).choice(count, MOST_POINTS, replace=False))
        rows, positions = rows[sample], [positions[i] for i in sample]
    means = np.stack([_mean(view, int(row)) for row in rows]) if count else np.zeros((0, 2))
    places, variance = principal_components(means)
    places = places / max(float(np.abs(places).max(initial=0)), 1e-12)
    groups = _groups(task, [(task.splits[s], i) for s, i in positions], view.lengths[rows])
    names = list(dict.fromkeys(sorted(set(groups), key=_group_order)))
    points = [
        {
            "x": round(float(x), 4),
            "y": round(float(y), 4),
            "id": task.splits[split].ids[i],
            "split": split,
            "group": names.index(group),
        }
        for (x, y), (split, i), group in zip(places, positions, groups, strict=True)
    ]
    return {
        "task": name,
        "encoder": view.provenance.fingerprint.encoder,
        "points": points,
        "groups": names,
        "variance": [round(float(v), 4) for v in variance],
        "of": count,
        "histogram": histogram(_task_lengths(store, task)),
    }


def _rows(task: Task, view: Embeddings) -> tuple[NDArray[np.int64], list[tuple[str, int]]]:
    """Rows of the view for a task's proteins, each once, and where in the task they stand."""
    positions: dict[int, tuple[str, int]] = {}
    for name, split in task.splits.items():
        for i, row in enumerate(view.find(split.digests).tolist()):
            if row >= 0:
                positions.setdefault(row, (name, i))
    return np.asarray(list(positions), np.int64), list(positions.values())


def _mean(view: Embeddings, row: int) -> NDArray[np.float32]:
    values: NDArray[np.float32] = view.get(view.digests[row].tobytes()).astype(np.float32)
    mean: NDArray[np.float32] = values.mean(0)
    return mean


def _groups(task: Task, rows: list[tuple[Split, int]], lengths: NDArray[np.int64]) -> list[str]:
    """What a point's colour says: its class, a third of the values, or a third of the lengths."""
    labels = [split.labels[i] for split, i in rows]
    if task.problem is Problem.SINGLE_LABEL:
        return _most_frequent([task.classes[label] for label in labels])
    if task.problem is Problem.MULTI_LABEL:
        return _most_frequent([task.classes[label[0]] if label else "none" for label in labels])
    values = np.asarray(labels, float) if not task.problem.per_residue else lengths.astype(float)
    return _thirds(values, task.classes[0] if not task.problem.per_residue else "length")


def _most_frequent(names: list[str]) -> list[str]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    frequent = sorted(counts, key=lambda name: (-counts[name], name))[:_CLASSES]
    return [name if name in frequent or len(counts) <= _CLASSES + 1 else "others" for name in names]


def _thirds(values: NDArray[np.float64], quantity: str) -> list[str]:
    if not len(values):
        return []
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    words = [f"{quantity} below {low:.3g}", f"{quantity} between", f"{quantity} above {high:.3g}"]
    return [words[int(v > low) + int(v > high)] for v in values]


def _group_order(name: str) -> tuple[int, str]:
    place = next((i for i, w in enumerate(("below", "between", "above")) if f" {w}" in name), 0)
    return (9 if name == "others" else place, name)


def _digest_of_sequence(text: str) -> bytes:
    from ...proteins import digest_of

    try:
        return digest_of(normalise(text))
    except InputError:
        return bytes(32)


def _digests(task: Task) -> NDArray[np.uint8]:
    splits = [split.digests for split in task.splits.values()]
    return np.unique(np.concatenate(splits), axis=0) if splits else np.zeros((0, 32), np.uint8)


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else 0.0


def _lengths(store: Store) -> NDArray[np.int64]:
    return np.asarray([len(protein) for protein in store.proteins()], np.int64)


def _task_lengths(store: Store, task: Task) -> NDArray[np.int64]:
    table = ProteinTable(store.path / layout.PROTEINS)
    lengths = np.asarray(table.lengths(row.tobytes() for row in _digests(task)), np.int64)
    return lengths[lengths > 0]
