"""Pull: bring into a store what a published store, or another store on this machine, has.

Order: index, tasks, then which segments (whole, or in parts where that is less), then sequences
and tokens, then embeddings, which need their sequences to be checked against. Everything that
arrives is checked before it is stored; what is here already is not fetched.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptStoreError, InputError, MissingFileError, StorageFullError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..provenance import Provenance, circumstances
from ..residues import StructureTokens
from ..store import Store, layout
from ..store.proteins import ProteinTable
from ..store.tasks import read_task, write_task
from ..tasks import Task
from . import names
from .arrival import PartialSegment, fetch_segment, make_encoder_folder, shard_rows_of
from .bundles import identity
from .index import Index, SegmentEntry
from .overlay import Overlay
from .reading import Reader, rows_of
from .records import (
    Record,
    id_records,
    protein_records,
    read_id,
    read_protein,
    read_tokens,
    token_records,
)
from .remote import FolderRemote, Remote, UrlRemote, as_folder, is_url
from .wanted import (
    Selection,
    chosen_encoders,
    chosen_names,
    digests_of_ids,
    digests_of_tasks,
)

_FILES_AT_ONCE = 8
_SEGMENTS_AT_ONCE = 3
_TRANSACTION = 4096
_WHOLE = 0.9
"""A segment is fetched whole if at least this share of its residues is wanted."""


@dataclass
class PullReport:
    """What a pull did.

    Parameters
    ----------
    source : str
        Where it came from.
    bytes : int
        What came over the wire, index and footers too.
    proteins, tokens, embeddings : int
        Sequences, proteins with tokens, and embeddings that are new here.
    segments, partial_segments : int
        Segments that came whole, and segments that came in part.
    tasks : list of str
        Tasks that are new here.
    conflicts : list of str
        Tasks and tokens that are different here, and stay as they are here.
    missing : int
        Wanted proteins there are no embeddings of (for the encoder that lacks most).
    """

    source: str
    bytes: int = 0
    proteins: int = 0
    tokens: int = 0
    embeddings: int = 0
    segments: int = 0
    partial_segments: int = 0
    tasks: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    missing: int = 0

    @property
    def anything(self) -> bool:
        """Whether anything was new."""
        return bool(self.proteins or self.tokens or self.embeddings or self.tasks)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def pull(
    into: Store | Path,
    where: str,
    selection: Selection | None = None,
    *,
    progress: Progress = SILENT,
) -> PullReport:
    """Bring into a store what `where` has, or a selection of it.

    Parameters
    ----------
    into : Store or path
        Where it goes; a store is made at a path once there is something to put into it.
    where : str
        A folder with a store (or a copy of a published one), or a URL.
    selection : Selection, optional
        What to take; everything by default.
    progress : Progress
        Told about bytes.

    Returns
    -------
    PullReport

    Raises
    ------
    InputError
        There is nothing of that name, or no way to reach it.
    NotStoredError
        It lacks what was asked for.
    CorruptStoreError
        What arrived is not what it says. It was not stored.
    FingerprintMismatchError
        An encoder is stored here in another type or width.
    StorageFullError
        No space left; the same command goes on where this one stopped.
    """
    with opened(where, progress=progress) as remote, ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        reader = Reader(remote)
        index = reader.index()
        store = into if isinstance(into, Store) else Store.open(into, create=True)
        return _Pull(store, reader, selection or Selection(), pool, progress).run(index)


def merge(into: Store | Path, other: Store, *, progress: Progress = SILENT) -> PullReport:
    """Take into a store (made if need be) everything that `other` has: set union."""
    path = into.path if isinstance(into, Store) else into
    if path.resolve() == other.path.resolve():
        raise InputError(f"{path} cannot be merged with itself. Name two stores")
    return pull(into, str(other.path), progress=progress)


@contextmanager
def opened(where: str, *, progress: Progress = SILENT) -> Iterator[Remote]:
    """Open a published store, or a living one as if it were published.

    Raises
    ------
    InputError
        There is nothing like that there.
    """
    if is_url(where):
        yield UrlRemote(where)
        return
    folder = as_folder(where)
    if not (folder / layout.METADATA).is_file() and not (folder / names.INDEX).is_file():
        raise MissingFileError(
            f"there is no store at '{folder}'. Name the folder of one, or a URL (s3://, gs://, "
            f"https://)"
        )
    if (folder / layout.PROTEINS).exists() or not (folder / names.INDEX).is_file():
        with Overlay(Store.open(folder), progress=progress) as overlay:
            yield overlay
    else:
        yield FolderRemote(folder)


@dataclass
class _Plan:
    """Segments to fetch."""

    whole: list[tuple[str, str, SegmentEntry, Provenance]] = field(default_factory=list)
    parts: list[PartialSegment] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        whole = sum(entry.bytes for _, _, entry, _ in self.whole)
        lengths = [(part, np.diff(part.offsets)[part.rows].sum()) for part in self.parts]
        return whole + sum(int(total) * part.row_bytes for part, total in lengths)


class _Pull:
    """One pull: from where, into what, and what was done so far."""

    def __init__(
        self,
        store: Store,
        reader: Reader,
        selection: Selection,
        pool: Executor,
        progress: Progress,
    ) -> None:
        self.store, self.selection = store, selection
        self.reader, self.pool, self.progress = reader, pool, progress
        self.report = PullReport(reader.remote.url)
        self._lengths = ProteinTable(store.path / layout.PROTEINS).lengths

    def run(self, index: Index) -> PullReport:
        """Do it all."""
        chosen = self.selection
        encoders = chosen_encoders(index, chosen.plms)
        sources = chosen_names("source of tokens", index.sources(), chosen.sources)
        tasks = chosen_names("task", index.tasks, None if chosen.everything else chosen.tasks)
        found = {name: self._task(index, name) for name in tasks}
        wanted: set[bytes] | None = None
        if not chosen.everything:
            wanted = digests_of_tasks(found.values())
            wanted |= digests_of_ids(self.reader, index, chosen.ids, self.pool)
        plan = _Plan()
        for folder in encoders:
            there = self._plan_encoder(index, folder, wanted, plan)
            if wanted is not None:
                wanted |= there
        self._check_room(plan)
        self._pull_proteins(index, wanted)
        for source in sources:
            self._pull_tokens(index, source, wanted)
        self._pull_segments(plan)
        for task in found.values():
            self._add_task(task)
        self.report.bytes = self.reader.bytes
        return self.report

    # Tasks

    def _task(self, index: Index, name: str) -> Task:
        """Fetch a task and check it, through a file, as those of a store are read."""
        entry = index.tasks[name]
        raw = self.reader.whole(names.task_path(entry.sha256), entry.bytes, entry.sha256)
        beside = self.store.path / f".pull-{entry.sha256}.jsonl"
        try:
            beside.write_bytes(raw)
            task = read_task(beside)
        except (CorruptStoreError, InputError) as problem:
            raise names.refused(f"task {name} cannot be read ({problem})") from None
        finally:
            beside.unlink(missing_ok=True)
        if task.name != name:
            raise names.refused(f"task {name} calls itself '{task.name}'")
        return task

    def _add_task(self, task: Task) -> None:
        if task.name not in self.store.tasks():
            path = self.store.path / layout.TASKS / f"{task.name}.jsonl"
            write_task(path, task)
            self.report.tasks.append(task.name)
        elif self.store.task(task.name).data_digest != task.data_digest:
            self.report.conflicts.append(f"task {task.name}")

    # Sequences and tokens

    def _pull_proteins(self, index: Index, wanted: set[bytes] | None) -> None:
        mine = self._identities(index, "proteins", "", wanted)
        with self.progress.stage("sequences", mine.total, "records") as bar:
            for records in mine.fetch(self):
                self.report.proteins += self.store.add_proteins(map(read_protein, records))
                bar.advance(len(records))
        for records in self._identities(index, "ids", "", wanted).fetch(self):
            known = self.store.proteins([record.digest for record in records])
            self.store.add_proteins(
                Protein(read_id(record), protein.sequence)
                for record, protein in zip(records, known, strict=True)
            )

    def _pull_tokens(self, index: Index, source: str, wanted: set[bytes] | None) -> None:
        mine = self._identities(index, "tokens", source, wanted)
        with self.progress.stage(f"tokens of {source}", mine.total, "records") as bar:
            for records in mine.fetch(self):
                self._add_tokens(records, source, mine.makers)
                bar.advance(len(records))

    def _add_tokens(
        self, records: list[Record], source: str, makers: dict[str, dict[str, Any]]
    ) -> None:
        by_maker: dict[str, list[StructureTokens]] = {}
        known = self._lengths(record.digest for record in records)
        new: set[bytes] = set()
        for record, length in zip(records, known, strict=True):
            for maker, tokens in read_tokens(record, source, makers).parts.items():
                if length not in (-1, len(tokens)):
                    raise names.refused("tokens have another length than their sequence")
                by_maker.setdefault(maker, []).append(tokens)
        before = {}
        if source in self.store.sources():
            there = self.store.tokens(source).get_all([record.digest for record in records])
            before = {tokens.digest: tokens for tokens in there if tokens is not None}
        for maker, items in by_maker.items():
            written = self.store.add_tokens(items, makers[maker]["circumstances"])
            if written:
                new.update(item.digest for item in items if item.digest not in before)
            for item in items:
                if item.digest in before and _differ(before[item.digest], item):
                    self.report.conflicts.append(f"tokens {source}/{item.digest.hex()[:12]}")
        self.report.tokens += len(new)

    def _identities(
        self, index: Index, kind: str, name: str, wanted: set[bytes] | None
    ) -> _Records:
        """Records of one kind that are not here yet: the last of a protein counts for tokens."""
        bundles = [(sha, b) for sha, b in index.of_kind(kind) if b.name == name]
        found = _Records()
        taken: set[bytes] = set()
        here = self._here(kind, name)
        for sha, bundle in reversed(bundles):
            footer = self.reader.footer(sha, bundle)
            rows = np.arange(len(footer)) if wanted is None else rows_of(footer, wanted)
            keep = []
            for row in rows.tolist():
                digest = footer.digests[row].tobytes()
                if (digest + footer.sums[row].tobytes()) in here:
                    continue
                if kind == "tokens" and digest in taken:
                    continue
                taken.add(digest)
                keep.append(row)
            found.makers |= footer.makers
            found.parts.append((sha, index, np.asarray(keep, np.int64)))
        found.parts.reverse()
        return found

    def _here(self, kind: str, name: str) -> set[bytes]:
        """What this store would publish of that kind: no need to fetch it."""
        if kind == "tokens" and name in self.store.sources():
            return {identity(record) for record in token_records(self.store.tokens(name))}
        if kind == "proteins":
            return {identity(record) for record in protein_records(self.store)}
        if kind == "ids":
            return {identity(record) for record in id_records(self.store)}
        return set()

    # Embeddings

    def _plan_encoder(
        self, index: Index, folder: str, wanted: set[bytes] | None, plan: _Plan
    ) -> set[bytes]:
        """Decide which segments to fetch; returns digests of proteins that come along."""
        encoder = index.encoders[folder]
        have = self._embedded(folder, encoder.provenance)
        lacking = None if wanted is None else wanted - have
        seen, along = set(have), set()
        for name, entry in encoder.segments.items():
            if (self.store.path / layout.EMBEDDINGS / folder / name).exists():
                continue
            digests = self.reader.digests(index, folder, name)
            keys = [row.tobytes() for row in digests]
            rows = [
                i
                for i, key in enumerate(keys)
                if key not in seen and (lacking is None or key in lacking)
            ]
            if not rows:
                continue
            seen.update(keys[i] for i in rows)
            part = self._part(index, folder, name, digests, np.asarray(rows, np.int64))
            if part is None:
                plan.whole.append((folder, name, entry, encoder.provenance))
                along.update(keys)
                seen.update(keys)
            else:
                plan.parts.append(part)
        if lacking is not None:
            self.report.missing = max(self.report.missing, len(lacking - seen))
        return along

    def _embedded(self, folder: str, provenance: Provenance) -> set[bytes]:
        names_here = [p.name for p in layout.committed(self.store.path / layout.EMBEDDINGS)]
        if folder not in names_here:
            return set()
        self.store.writer(provenance, {})  # raises if it is stored here in another type
        view = self.store.embeddings(provenance.fingerprint)
        return {row.tobytes() for row in view.digests}

    def _part(
        self,
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
        raw = self.reader.small(index, folder, name, "offsets/c.0")
        offsets = np.frombuffer(raw, "<i8")
        if offsets[0] != 0 or offsets[-1] != entry.residues or (np.diff(offsets) <= 0).any():
            raise names.refused(f"the offsets of segment {name} do not grow as they must")
        if np.diff(offsets)[rows].sum() >= _WHOLE * entry.residues:
            return None
        metadata = self.reader.small(index, folder, name, f"values/{layout.METADATA}")
        return PartialSegment(
            path=names.segment_path(folder, name, "")[:-1],
            name=name,
            provenance=encoder.provenance,
            circumstances=self._circumstances(index, folder, name),
            digests=digests,
            offsets=offsets.astype(np.int64),
            rows=rows,
            shard_rows=shard_rows_of(metadata, entry.residues, encoder.provenance),
        )

    def _circumstances(self, index: Index, folder: str, name: str) -> dict[str, Any]:
        raw = self.reader.small(index, folder, name, layout.METADATA)
        try:
            made = layout.parse(raw)["attributes"]["sesstore"]["circumstances"]
        except (ValueError, KeyError, TypeError, RecursionError):
            made = None
        if not isinstance(made, dict):
            raise names.refused(f"segment {name} does not say what made it")
        return made

    def _check_room(self, plan: _Plan) -> None:
        free = shutil.disk_usage(self.store.path).free
        if plan.bytes > free:
            raise StorageFullError(
                f"{plan.bytes:,} bytes of embeddings would come, {free:,} are free at "
                f"{self.store.path}. Free some space, or take less with --task, --ids or --plm"
            )

    def _pull_segments(self, plan: _Plan) -> None:
        if not plan.whole and not plan.parts:
            return
        with self.progress.stage("embeddings", plan.bytes, "bytes") as bar:
            self._pull_whole(plan, bar.advance)
            by_encoder: dict[str, list[PartialSegment]] = {}
            for part in plan.parts:
                by_encoder.setdefault(layout.encoder_folder(part.provenance), []).append(part)
            for parts in by_encoder.values():
                self._pull_parts(parts, bar.advance)

    def _pull_whole(self, plan: _Plan, advance: Callable[[int], None]) -> None:
        def fetch(job: tuple[str, str, SegmentEntry, Provenance]) -> int:
            folder, name, entry, provenance = job
            final = make_encoder_folder(self.store, provenance) / name
            fetch_segment(
                self.reader,
                names.segment_path(folder, name, "")[:-1],
                entry,
                final,
                provenance,
                lengths=self._lengths,
                pool=self.pool,
                advance=advance,
            )
            return entry.proteins

        with ThreadPoolExecutor(_SEGMENTS_AT_ONCE) as segments:
            for proteins in segments.map(fetch, plan.whole):
                self.report.segments += 1
                self.report.embeddings += proteins

    def _pull_parts(self, parts: list[PartialSegment], advance: Callable[[int], None]) -> None:
        origins: list[dict[str, Any]] = [
            {"segment": part.name, **part.circumstances} for part in parts
        ]
        made = {
            **circumstances("obstore"),
            "pulled": {"from": self.report.source, "segments": origins},
        }
        with self.store.writer(parts[0].provenance, made) as writer:
            for part in parts:
                for batch in _in_batches(part.fetch(self.reader, self.pool, advance)):
                    known = self._lengths(item.digest for item in batch)
                    for item, length in zip(batch, known, strict=True):
                        if length not in (-1, len(item)):
                            raise names.refused("an embedding has another length than its sequence")
                        writer.add(item)
                        self.report.embeddings += 1
                self.report.partial_segments += 1


@dataclass
class _Records:
    """Records to fetch, by bundle."""

    parts: list[tuple[str, Index, NDArray[np.int64]]] = field(default_factory=list)
    makers: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(len(rows) for _, _, rows in self.parts)

    def fetch(self, pull: _Pull) -> Iterator[list[Record]]:
        """Yield records many at a time: each batch becomes one transaction."""
        records = (
            record
            for sha, index, rows in self.parts
            for some in pull.reader.records(sha, index.bundles[sha], rows, pull.pool)
            for record in some
        )
        yield from _in_batches(records, _TRANSACTION)


def _differ(mine: StructureTokens, theirs: StructureTokens) -> bool:
    """Whether two tokens of a protein differ in a part that both have."""
    pairs = [(mine.codes[a], theirs.codes[a]) for a in mine.codes.keys() & theirs.codes.keys()]
    if mine.plddt is not None and theirs.plddt is not None:
        pairs.append((mine.plddt, theirs.plddt))
    return not all(np.array_equal(a, b) for a, b in pairs)


def _in_batches(items: Iterable[Any], size: int = 64) -> Iterator[list[Any]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
