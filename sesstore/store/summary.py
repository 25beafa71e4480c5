"""What is in a store, in numbers: for ``sesstore ls`` and ``info``, and for the card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import CorruptStoreError
from ..provenance import Provenance
from .embeddings import Embeddings
from .encoder_lookup import stored_encoders
from .partial_reads import Damaged, leaving_out
from .store import Store


@dataclass(frozen=True)
class EncoderSummary:
    """Embeddings of one encoder.

    Parameters
    ----------
    provenance : Provenance
        Encoder, type, licence, citation.
    segments, proteins, residues, bytes : int
        How much there is; bytes of values.
    runs : list of dict
        The distinct circumstances (date, command, versions) of its segments.
    """

    provenance: Provenance
    segments: int
    proteins: int
    residues: int
    bytes: int
    runs: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values, the fingerprint's short form among them."""
        plain = {key: value for key, value in vars(self).items() if key != "provenance"}
        provenance = self.provenance.to_json()
        return {
            "encoder": self.provenance.fingerprint.encoder,
            "fingerprint": self.provenance.fingerprint.short,
            **plain,
            "provenance": provenance,
        }


@dataclass(frozen=True)
class TokenSummary:
    """Tokens of one source: how many proteins have them, in each alphabet, and the tools."""

    source: str
    proteins: int
    counts: dict[str, int]
    tool: str
    runs: list[dict[str, Any]]


@dataclass(frozen=True)
class TaskSummary:
    """A task: problem and rows of each split."""

    name: str
    problem: str
    classes: int
    splits: dict[str, int]
    citation: str


@dataclass(frozen=True)
class Summary:
    """Everything a store holds."""

    path: str
    proteins: int
    encoders: list[EncoderSummary]
    sources: list[TokenSummary]
    tasks: list[TaskSummary]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values; totals over all encoders beside them."""
        encoders = [encoder.to_json() for encoder in self.encoders]
        return {
            "path": self.path,
            "proteins": self.proteins,
            "segments": sum(e.segments for e in self.encoders),
            "residues": sum(
                e.residues for e in self.encoders if not e.provenance.fingerprint.reduction
            ),
            "bytes": sum(e.bytes for e in self.encoders),
            "fingerprints": [e["fingerprint"] for e in encoders],
            "encoders": encoders,
            "sources": [asdict(source) for source in self.sources],
            "tasks": [asdict(task) for task in self.tasks],
        }


def summarise(store: Store, damaged: Damaged | None = None) -> Summary:
    """Count what a store holds.

    Parameters
    ----------
    store : Store
        The store.
    damaged : callable, optional
        Told about encoders, sources and tasks that are not what was written, and left out; an error
        without it.

    Returns
    -------
    Summary

    Raises
    ------
    CorruptStoreError
        Something is not what was written.
    """
    summary = Summary(str(store.path), 0, [], [], [])
    with leaving_out(damaged):
        summary = replace(summary, proteins=store.count_proteins())
    # Opened by their folders: looking for them by name reads the metadata of all.
    for folder, provenance in stored_encoders(store.path, damaged):
        with leaving_out(damaged):
            summary.encoders.append(_encoder(Embeddings(folder, provenance)))
    for name in store.sources():
        with leaving_out(damaged):
            summary.sources.append(_source(store, name))
    for name in store.tasks():
        with leaving_out(damaged):
            summary.tasks.append(_task(store, name))
    return summary


def _encoder(view: Embeddings) -> EncoderSummary:
    residues = int(view.lengths.sum())
    scales = 2 if view.dtype == "int8" else 0
    runs: list[dict[str, Any]] = []
    for segment in view.segments:
        try:
            run = segment.attributes["circumstances"]
        except CorruptStoreError:
            if segment.path.exists():
                raise
            return _encoder(Embeddings(view.folder, view.provenance))  # compacted meanwhile
        if run not in runs:
            runs.append(run)
    return EncoderSummary(
        provenance=view.provenance,
        segments=len(view.segments),
        proteins=len(view),
        residues=residues,
        bytes=residues * (view.dim * view.dtype.itemsize + scales),
        runs=runs,
    )


def _source(store: Store, name: str) -> TokenSummary:
    tokens = store.tokens(name)
    runs = list(tokens.provenance().values())
    return TokenSummary(name, len(tokens), tokens.counts(), tokens.tool, runs)


def _task(store: Store, name: str) -> TaskSummary:
    task = store.task(name)
    return TaskSummary(
        name=name,
        problem=str(task.problem),
        classes=len(task.classes),
        splits={split: len(rows) for split, rows in task.splits.items()},
        citation=task.citation,
    )
