"""Embeddings of a pull: which segments, whole or in parts, and fetching them.

Parts become a segment of this store, each protein checked by its own sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptStoreError
from ..provenance import Provenance, circumstances
from ..residues import Embedding, is_finite
from ..store import layout
from . import limits, share_paths
from .fetch import Reader, fetch_segment, make_encoder_folder
from .publication import row_sum
from .pull_context import PullContext
from .ranges import in_flight, spans_of
from .share_index import FileEntry, Index, SegmentEntry
from .share_paths import refusal

_SEGMENTS_AT_ONCE = 3
_WHOLE_SHARE = 0.9
"""A segment is fetched whole if at least this share of its residues is wanted."""


@dataclass(frozen=True, eq=False)
class PartialSegment:
    """Some proteins of a segment that lies elsewhere.

    Parameters
    ----------
    path : str
        The segment's path there.
    name : str
        Its name.
    provenance : Provenance
        Its encoder.
    circumstances : dict
        What it says made it.
    digests, offsets : ndarray
        As in the segment.
    rows : ndarray, shape=(n,), dtype=int64
        Which proteins to take.
    shard_rows : int
        Rows of one of its files.
    files : mapping of str to FileEntry
        Its files.
    """

    path: str
    name: str
    provenance: Provenance
    circumstances: dict[str, object]
    digests: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    shard_rows: int
    files: Mapping[str, FileEntry]

    @property
    def row_bytes(self) -> int:
        """Bytes of one residue's values."""
        return self.provenance.dim * np.dtype(self.provenance.dtype).itemsize

    def fetch(
        self, reader: Reader, pool: Executor, advance: Callable[[int], None]
    ) -> Iterator[Embedding]:
        """Yield its proteins, a few ranges being fetched at once.

        Raises
        ------
        CorruptStoreError
            A protein is not what its sum says, or holds values that are not finite.
        """
        sums = reader.read_all(share_paths.sums_path(self.name), 16 * len(self.digests))
        if len(sums) != 16 * len(self.digests):
            raise refusal(f"the sums of segment {self.name} are not as many as its proteins")
        bounds = self.offsets * self.row_bytes
        spans = spans_of(bounds[:-1], bounds[1:], self.rows)
        for batch in in_flight(spans):
            fetched = pool.map(lambda s: self._values(reader, s.start, s.stop), batch)
            for span, (values, scales) in zip(batch, fetched, strict=True):
                advance(len(values))
                for row in span.rows.tolist():
                    yield self._embedding(row, span.start, values, scales, sums)

    def _embedding(
        self, row: int, start: int, values: bytes, scales: bytes, sums: bytes
    ) -> Embedding:
        first, last = int(self.offsets[row]), int(self.offsets[row + 1])
        raw = values[first * self.row_bytes - start : last * self.row_bytes - start]
        skipped = start // self.row_bytes
        scale = scales[2 * (first - skipped) : 2 * (last - skipped)] or None
        if row_sum(raw, scale) != sums[16 * row : 16 * row + 16]:
            raise refusal(f"a protein of segment {self.name} is not what its sum says")
        array = np.frombuffer(raw, np.dtype(self.provenance.dtype).newbyteorder("<"))
        array = array.reshape(-1, self.provenance.dim)
        scaled = None if scale is None else np.frombuffer(scale, "<f2")
        checked = array if scaled is None else scaled
        if not is_finite(checked):
            raise refusal(f"segment {self.name} holds values that are not finite")
        return Embedding(self.digests[row].tobytes(), array, scaled)

    def _values(self, reader: Reader, start: int, stop: int) -> tuple[bytes, bytes]:
        """Bytes `start` to `stop` of all its values, which lie in several files; and the scales."""
        shard = self.shard_rows * self.row_bytes
        parts, place = [], start
        while place < stop:
            number = place // shard
            end = min(stop, (number + 1) * shard)
            file, first = f"values/c.{number}.0", number * shard
            parts.append(self._read(reader, file, place - first, end - first))
            place = end
        scales = b""
        if self.provenance.dtype == "int8":
            first, last = start // self.row_bytes, stop // self.row_bytes
            scales = self._read(reader, "scales/c.0", 2 * first, 2 * last)
        return b"".join(parts), scales

    def _read(self, reader: Reader, file: str, start: int, stop: int) -> bytes:
        if file not in self.files:
            raise refusal(f"segment {self.name} has fewer files than its metadata say")
        return reader.read(f"{self.path}/{file}", start, stop, self.files[file].bytes)


@dataclass
class Plan:
    """Segments to fetch."""

    segments: list[tuple[str, str, SegmentEntry, Provenance]] = field(default_factory=list)
    parts: list[PartialSegment] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """About how many bytes will come."""
        segment_bytes = sum(entry.bytes for _, _, entry, _ in self.segments)
        lengths = [(part, np.diff(part.offsets)[part.rows].sum()) for part in self.parts]
        return segment_bytes + sum(int(total) * part.row_bytes for part, total in lengths)


def plan_encoder(
    context: PullContext, index: Index, folder: str, selection: set[bytes] | None, plan: Plan
) -> set[bytes]:
    """Decide which segments to fetch; returns digests of proteins that come along."""
    encoder = index.encoders[folder]
    stored = _embedded_digests(context, folder, encoder.provenance)
    lacking = None if selection is None else selection - stored
    covered, companions = set(stored), set()
    for name, entry in encoder.segments.items():
        if (context.store.path / layout.EMBEDDINGS / folder / name).exists():
            continue
        digests = context.reader.digests(index, folder, name)
        keys = [row.tobytes() for row in digests]
        rows = [
            i
            for i, key in enumerate(keys)
            if key not in covered and (lacking is None or key in lacking)
        ]
        if not rows:
            continue
        covered.update(keys[i] for i in rows)
        part = _part(context, index, folder, name, digests, np.asarray(rows, np.int64))
        if part is None:
            plan.segments.append((folder, name, entry, encoder.provenance))
            companions.update(keys)
        else:
            plan.parts.append(part)
    if lacking is not None:
        context.report.missing = max(context.report.missing, len(lacking - covered))
    return companions


def _embedded_digests(context: PullContext, folder: str, provenance: Provenance) -> set[bytes]:
    folders = [p.name for p in layout.encoder_folders(context.store.path)]
    if folder not in folders:
        return set()
    context.store.writer(provenance, {})  # raises if it is stored here in another type
    view = context.store.embeddings(provenance.fingerprint)
    return {row.tobytes() for row in view.digests}


def _part(
    context: PullContext,
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
    raw = context.reader.small(index, folder, name, "offsets/c.0")
    offsets = np.frombuffer(raw, "<i8")
    # Compared, not subtracted: differences of numbers that lie could overflow.
    grow = (offsets[1:] > offsets[:-1]).all()
    if offsets[0] != 0 or offsets[-1] != entry.residues or not grow:
        raise refusal(f"the offsets of segment {name} do not grow as they must")
    lengths = np.diff(offsets)[rows]
    # Nearly all is needed: one stream costs less than many ranges.
    if lengths.sum() >= _WHOLE_SHARE * entry.residues:
        return None
    row = encoder.provenance.dim * np.dtype(encoder.provenance.dtype).itemsize
    if int(lengths.max()) * row > limits.PROTEIN_BYTES:
        raise refusal(f"a protein of segment {name} is larger than one may be")
    metadata = context.reader.small(index, folder, name, f"values/{layout.METADATA}")
    return PartialSegment(
        path=share_paths.segment_path(folder, name, "")[:-1],
        name=name,
        provenance=encoder.provenance,
        circumstances=_circumstances(context, index, folder, name),
        digests=digests,
        offsets=offsets.astype(np.int64),
        rows=rows,
        shard_rows=shard_rows_of(metadata, entry.residues, encoder.provenance),
        files=entry.files,
    )


def _circumstances(context: PullContext, index: Index, folder: str, name: str) -> dict[str, Any]:
    raw = context.reader.small(index, folder, name, layout.METADATA)
    try:
        origin = layout.parse(raw)["attributes"]["sesstore"]["circumstances"]
    except (ValueError, KeyError, TypeError, RecursionError):
        origin = None
    if not isinstance(origin, dict):
        raise refusal(f"segment {name} does not say what made it")
    return origin


def pull_segments(context: PullContext, plan: Plan) -> None:
    """Fetch what was planned; raises `CorruptStoreError`."""
    if not plan.segments and not plan.parts:
        return
    with context.progress.stage("embeddings", plan.bytes, "bytes") as bar:
        _pull_whole_segments(context, plan, bar.advance)
        by_encoder: dict[str, list[PartialSegment]] = {}
        for part in plan.parts:
            by_encoder.setdefault(layout.encoder_folder(part.provenance), []).append(part)
        for parts in by_encoder.values():
            _pull_parts(context, parts, bar.advance)


def _pull_whole_segments(context: PullContext, plan: Plan, advance: Callable[[int], None]) -> None:
    def fetch(job: tuple[str, str, SegmentEntry, Provenance]) -> int:
        folder, name, entry, provenance = job
        final = make_encoder_folder(context.store, provenance) / name
        fetch_segment(
            context.reader,
            share_paths.segment_path(folder, name, "")[:-1],
            entry,
            final,
            provenance,
            lengths=context.lengths,
            pool=context.pool,
            advance=advance,
        )
        return entry.proteins

    with ThreadPoolExecutor(_SEGMENTS_AT_ONCE) as pool:
        for proteins in pool.map(fetch, plan.segments):
            context.report.segments += 1
            context.report.embeddings += proteins


def _pull_parts(
    context: PullContext, parts: list[PartialSegment], advance: Callable[[int], None]
) -> None:
    origins: list[dict[str, Any]] = [{"segment": part.name, **part.circumstances} for part in parts]
    origin = {
        **circumstances("obstore"),
        "pulled": {"from": context.report.source, "segments": origins},
    }
    with context.store.writer(parts[0].provenance, origin) as writer:
        for part in parts:
            sequence_lengths = context.lengths(part.digests[row].tobytes() for row in part.rows)
            known_lengths = part.provenance.fingerprint.rows(np.asarray(sequence_lengths)).tolist()
            lengths = np.diff(part.offsets)[part.rows].tolist()
            if any(
                known_length not in (-1, length)
                for known_length, length in zip(known_lengths, lengths, strict=True)
            ):
                raise refusal("an embedding has another length than its sequence")
            for embedding in part.fetch(context.reader, context.pool, advance):
                writer.add(embedding)
                context.report.embeddings += 1
            context.report.partial_segments += 1


def shard_rows_of(raw: bytes, residues: int, provenance: Provenance) -> int:
    """Rows of one file of values, from their metadata; raises unless we would have written them."""
    try:
        metadata = layout.parse(raw)
        rows = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
        chunk = metadata["codecs"][0]["configuration"]["chunk_shape"][0]
        shape = (residues, provenance.dim)
        sound = type(rows) is int and type(chunk) is int and 0 < chunk <= rows < 1 << 48
        sound = sound and layout.sharded_metadata(shape, provenance.dtype, rows, chunk) == raw
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, CorruptStoreError):
        sound = False
    if not sound:
        raise refusal("the metadata of a segment's values are not as sesstore writes them")
    return int(rows)
