"""Embeddings of a pull: which segments, whole or in parts, and fetching them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..provenance import Provenance, circumstances
from ..store import layout
from . import limits, names
from .arrival import PartialSegment, fetch_segment, make_encoder_folder, shard_rows_of
from .index import Index, SegmentEntry
from .taking import Taking

_SEGMENTS_AT_ONCE = 3
_WHOLE = 0.9
"""A segment is fetched whole if at least this share of its residues is wanted."""


@dataclass
class Plan:
    """Segments to fetch."""

    whole: list[tuple[str, str, SegmentEntry, Provenance]] = field(default_factory=list)
    parts: list[PartialSegment] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """About how many bytes will come."""
        whole = sum(entry.bytes for _, _, entry, _ in self.whole)
        lengths = [(part, np.diff(part.offsets)[part.rows].sum()) for part in self.parts]
        return whole + sum(int(total) * part.row_bytes for part, total in lengths)


def plan_encoder(
    taking: Taking, index: Index, folder: str, wanted: set[bytes] | None, plan: Plan
) -> set[bytes]:
    """Decide which segments to fetch; returns digests of proteins that come along."""
    encoder = index.encoders[folder]
    have = _embedded(taking, folder, encoder.provenance)
    lacking = None if wanted is None else wanted - have
    seen, along = set(have), set()
    for name, entry in encoder.segments.items():
        if (taking.store.path / layout.EMBEDDINGS / folder / name).exists():
            continue
        digests = taking.reader.digests(index, folder, name)
        keys = [row.tobytes() for row in digests]
        rows = [
            i
            for i, key in enumerate(keys)
            if key not in seen and (lacking is None or key in lacking)
        ]
        if not rows:
            continue
        seen.update(keys[i] for i in rows)
        part = _part(taking, index, folder, name, digests, np.asarray(rows, np.int64))
        if part is None:
            plan.whole.append((folder, name, entry, encoder.provenance))
            along.update(keys)
            seen.update(keys)
        else:
            plan.parts.append(part)
    if lacking is not None:
        taking.report.missing = max(taking.report.missing, len(lacking - seen))
    return along


def _embedded(taking: Taking, folder: str, provenance: Provenance) -> set[bytes]:
    names_here = [p.name for p in layout.encoder_folders(taking.store.path)]
    if folder not in names_here:
        return set()
    taking.store.writer(provenance, {})  # raises if it is stored here in another type
    view = taking.store.embeddings(provenance.fingerprint)
    return {row.tobytes() for row in view.digests}


def _part(
    taking: Taking,
    index: Index,
    folder: str,
    name: str,
    digests: NDArray[np.uint8],
    rows: NDArray[np.int64],
) -> PartialSegment | None:
    """Part of a segment to be fetched; None if it is to be fetched whole."""
    encoder = index.encoders[folder]
    entry = encoder.segments[name]
    if len(rows) == len(digests):
        return None
    raw = taking.reader.small(index, folder, name, "offsets/c.0")
    offsets = np.frombuffer(raw, "<i8")
    # Compared, not subtracted: differences of numbers that lie could overflow.
    grow = (offsets[1:] > offsets[:-1]).all()
    if offsets[0] != 0 or offsets[-1] != entry.residues or not grow:
        raise names.refused(f"the offsets of segment {name} do not grow as they must")
    lengths = np.diff(offsets)[rows]
    if lengths.sum() >= _WHOLE * entry.residues:
        return None
    row = encoder.provenance.dim * np.dtype(encoder.provenance.dtype).itemsize
    if int(lengths.max()) * row > limits.PROTEIN_BYTES:
        raise names.refused(f"a protein of segment {name} is larger than one may be")
    metadata = taking.reader.small(index, folder, name, f"values/{layout.METADATA}")
    return PartialSegment(
        path=names.segment_path(folder, name, "")[:-1],
        name=name,
        provenance=encoder.provenance,
        circumstances=_circumstances(taking, index, folder, name),
        digests=digests,
        offsets=offsets.astype(np.int64),
        rows=rows,
        shard_rows=shard_rows_of(metadata, entry.residues, encoder.provenance),
        files=entry.files,
    )


def _circumstances(taking: Taking, index: Index, folder: str, name: str) -> dict[str, Any]:
    raw = taking.reader.small(index, folder, name, layout.METADATA)
    try:
        made = layout.parse(raw)["attributes"]["sesstore"]["circumstances"]
    except (ValueError, KeyError, TypeError, RecursionError):
        made = None
    if not isinstance(made, dict):
        raise names.refused(f"segment {name} does not say what made it")
    return made


def take_segments(taking: Taking, plan: Plan) -> None:
    """Fetch what was planned; raises `CorruptStoreError`."""
    if not plan.whole and not plan.parts:
        return
    with taking.progress.stage("embeddings", plan.bytes, "bytes") as bar:
        _pull_whole(taking, plan, bar.advance)
        by_encoder: dict[str, list[PartialSegment]] = {}
        for part in plan.parts:
            by_encoder.setdefault(layout.encoder_folder(part.provenance), []).append(part)
        for parts in by_encoder.values():
            _pull_parts(taking, parts, bar.advance)


def _pull_whole(taking: Taking, plan: Plan, advance: Callable[[int], None]) -> None:
    def fetch(job: tuple[str, str, SegmentEntry, Provenance]) -> int:
        folder, name, entry, provenance = job
        final = make_encoder_folder(taking.store, provenance) / name
        fetch_segment(
            taking.reader,
            names.segment_path(folder, name, "")[:-1],
            entry,
            final,
            provenance,
            lengths=taking.lengths,
            pool=taking.pool,
            advance=advance,
        )
        return entry.proteins

    with ThreadPoolExecutor(_SEGMENTS_AT_ONCE) as segments:
        for proteins in segments.map(fetch, plan.whole):
            taking.report.segments += 1
            taking.report.embeddings += proteins


def _pull_parts(
    taking: Taking, parts: list[PartialSegment], advance: Callable[[int], None]
) -> None:
    origins: list[dict[str, Any]] = [{"segment": part.name, **part.circumstances} for part in parts]
    made = {
        **circumstances("obstore"),
        "pulled": {"from": taking.report.source, "segments": origins},
    }
    with taking.store.writer(parts[0].provenance, made) as writer:
        for part in parts:
            known = taking.lengths(part.digests[row].tobytes() for row in part.rows)
            lengths = np.diff(part.offsets)[part.rows].tolist()
            if any(length not in (-1, mine) for length, mine in zip(known, lengths, strict=True)):
                raise names.refused("an embedding has another length than its sequence")
            for item in part.fetch(taking.reader, taking.pool, advance):
                writer.add(item)
                taking.report.embeddings += 1
            taking.report.partial_segments += 1
