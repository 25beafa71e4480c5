"""Pull: bring into a store what a published store, or another store on this machine, has.

Order: index, tasks, then which segments (whole, or in parts where that is less), then sequences
and tokens, then embeddings, which need their sequences to be checked against. Everything that
arrives is checked before it is stored; what is here already is not fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..batches import batches
from ..errors import CorruptStoreError, InputError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..residues import StructureTokens
from ..store import Store, layout
from ..store.task_files import read_task, write_task
from ..tasks import Task
from . import share_paths
from .bundle_records import (
    Record,
    id_records,
    protein_records,
    read_id,
    read_protein,
    read_tokens,
    token_records,
)
from .bundles import identity
from .fetch import Reader, rows_of
from .overlay import open_place
from .pull_context import (
    PullContext,
    PullReport,
    Selection,
    digests_of_ids,
    digests_of_tasks,
    select_encoders,
    select_names,
)
from .pull_segments import Plan, plan_encoder, pull_segments
from .share_index import EncoderEntry, Index
from .share_paths import refusal
from .temporary_folders import scratch_folder

_FILES_AT_ONCE = 8
_TRANSACTION = 4096


def pull(
    into: Store | Path,
    address: str,
    selection: Selection | None = None,
    *,
    progress: Progress = SILENT,
) -> PullReport:
    """Bring into a store what `address` has, or a selection of it.

    Parameters
    ----------
    into : Store or path
        Where it goes; a store is made at a path once there is something to put into it.
    address : str
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
    with (
        open_place(address, progress=progress) as remote,
        ThreadPoolExecutor(_FILES_AT_ONCE) as pool,
    ):
        reader = Reader(remote)
        index = reader.index()
        selection = selection or Selection()
        # Before a store is made: what is not there, or broken, leaves no empty store behind.
        encoders, sources, names = _check_names(index, selection)
        digests_by_id = digests_of_ids(reader, index, selection.ids, pool)
        tasks = [fetch_task(reader, index, name) for name in names]
        digests = None if selection.everything else digests_of_tasks(tasks) | digests_by_id
        store = into if isinstance(into, Store) else Store.open(into, create=True)
        context = PullContext(store, reader, pool, progress, PullReport(remote.url))
        _pull_encoders(context, index, encoders, sources, digests)
        for task in tasks:
            _add_task(context, task)
        context.report.bytes = reader.bytes
        return context.report


def merge(into: Store | Path, source: Store, *, progress: Progress = SILENT) -> PullReport:
    """Take into a store (made if need be) everything that `source` has: set union."""
    path = into.path if isinstance(into, Store) else into
    if path.resolve() == source.path.resolve():
        raise InputError(f"{path} cannot be merged with itself. Name two stores")
    return pull(into, str(source.path), progress=progress)


def _check_names(
    index: Index, selection: Selection
) -> tuple[dict[str, EncoderEntry], list[str], list[str]]:
    """Encoders, sources and tasks that are meant; raises `UnknownNameError`."""
    encoders = select_encoders(index, selection.plms)
    sources = select_names("source of tokens", index.sources(), selection.sources)
    tasks = select_names("task", index.tasks, None if selection.everything else selection.tasks)
    return encoders, sources, tasks


def _pull_encoders(
    context: PullContext,
    index: Index,
    encoders: Iterable[str],
    sources: Iterable[str],
    digests: set[bytes] | None,
) -> None:
    """Bring embeddings, and before them the sequences and tokens of what they are of."""
    plan, companions = Plan(), set[bytes]()
    for folder in encoders:
        companions |= plan_encoder(context, index, folder, digests, plan)
    if digests is not None:
        digests |= companions  # what comes in whole segments gets its sequences and tokens too
    context.check_room(plan.bytes, "embeddings")
    # Sequences first: tokens and embeddings are checked against their lengths.
    pull_proteins(context, index, digests)
    for source in sources:
        pull_tokens(context, index, source, digests)
    pull_segments(context, plan)


def fetch_task(reader: Reader, index: Index, name: str) -> Task:
    """Fetch a task and check it, through a file, as those of a store are read.

    Raises
    ------
    CorruptStoreError
        What arrived is not what the index says, or no task of that name.
    """
    entry = index.tasks[name]
    with scratch_folder("pull") as folder:
        file = folder / f"{name}.jsonl"
        reader.save(share_paths.task_path(entry.sha256), file, entry.bytes, entry.sha256)
        try:
            task = read_task(file)
        except (CorruptStoreError, InputError) as problem:
            raise refusal(f"task {name} cannot be read ({problem})") from None
    if task.name != name:
        raise refusal(f"task {name} calls itself '{task.name}'")
    return task


def _add_task(context: PullContext, task: Task) -> None:
    if task.name not in context.store.tasks():
        path = context.store.path / layout.TASKS / f"{task.name}.jsonl"
        write_task(path, task)
        context.report.tasks.append(task.name)
    elif context.store.task(task.name).data_digest != task.data_digest:
        context.report.conflicts.append(f"task {task.name}")


def pull_proteins(context: PullContext, index: Index, digests: set[bytes] | None) -> None:
    """Bring sequences and ids, all or those of some proteins; raises `CorruptStoreError`."""
    new_records = _missing_records(context, index, "proteins", "", digests)
    context.check_room(new_records.bytes, "sequences")
    with context.progress.stage("sequences", new_records.total, "records") as bar:
        for records in new_records.fetch(context):
            context.report.proteins += context.store.add_proteins(map(read_protein, records))
            bar.advance(len(records))
    for records in _missing_records(context, index, "ids", "", digests).fetch(context):
        proteins = context.store.proteins([record.digest for record in records])
        context.store.add_proteins(
            Protein(read_id(record), protein.sequence)
            for record, protein in zip(records, proteins, strict=True)
        )


def pull_tokens(
    context: PullContext, index: Index, source: str, digests: set[bytes] | None
) -> None:
    """Bring the tokens of a source, all or those of some proteins, and what alphabets they need.

    Raises
    ------
    CorruptStoreError
        Some are not what they say.
    InputError
        An alphabet of that name has other states here.
    """
    for alphabet in index.alphabets.values():
        context.store.declare(alphabet)
    new_records = _missing_records(context, index, "tokens", source, digests)
    context.check_room(new_records.bytes, f"tokens of {source}")
    with context.progress.stage(f"tokens of {source}", new_records.total, "records") as bar:
        for records in new_records.fetch(context):
            _add_tokens(context, records, source, new_records.makers)
            bar.advance(len(records))


def _add_tokens(
    context: PullContext, records: list[Record], source: str, makers: dict[str, dict[str, Any]]
) -> None:
    by_maker: dict[str, list[StructureTokens]] = {}
    lengths = context.lengths(record.digest for record in records)
    new: set[bytes] = set()
    for record, length in zip(records, lengths, strict=True):
        for maker, tokens in read_tokens(record, source, makers).parts.items():
            if length not in (-1, len(tokens)):
                raise refusal("tokens have another length than their sequence")
            by_maker.setdefault(maker, []).append(tokens)
    stored = {}
    if source in context.store.sources():
        stored_tokens = context.store.tokens(source).get_all([record.digest for record in records])
        stored = {tokens.digest: tokens for tokens in stored_tokens if tokens is not None}
    for maker, arrivals in by_maker.items():
        count = context.store.add_tokens(arrivals, makers[maker]["circumstances"])
        if count:
            new.update(arrival.digest for arrival in arrivals if arrival.digest not in stored)
        for arrival in arrivals:
            if arrival.digest in stored and _differ(stored[arrival.digest], arrival):
                context.report.conflicts.append(f"tokens {source}/{arrival.digest.hex()[:12]}")
    context.report.tokens += len(new)


def _missing_records(
    context: PullContext, index: Index, kind: str, name: str, digests: set[bytes] | None
) -> _Records:
    """Records of one kind that are not here yet: the last of a protein counts for tokens."""
    footers = [
        (sha, context.reader.footer(sha, bundle))
        for sha, bundle in index.of_kind(kind)
        if bundle.name == name
    ]
    rows = [
        np.arange(len(footer)) if digests is None else rows_of(footer, digests)
        for _, footer in footers
    ]
    candidates = [
        footer.digests[row].tobytes()
        for (_, footer), candidate_rows in zip(footers, rows, strict=True)
        for row in candidate_rows
    ]
    local = _local_identities(context, kind, name, candidates)
    missing, queued = _Records(), set[bytes]()
    # The latest bundle first: of two token records of a protein the later counts.
    for (sha, footer), candidate_rows in zip(reversed(footers), reversed(rows), strict=True):
        new_rows = []
        for row in candidate_rows.tolist():
            digest = footer.digests[row].tobytes()
            is_local = digest + footer.sums[row].tobytes() in local
            if is_local or (kind == "tokens" and digest in queued):
                continue
            queued.add(digest)
            new_rows.append(row)
        missing.makers |= footer.makers
        missing.parts.append((sha, index, np.asarray(new_rows, np.int64)))
        missing.bytes += int(footer.sizes[new_rows].sum()) if new_rows else 0
    # Back in the order they were published.
    missing.parts.reverse()
    return missing


def _local_identities(
    context: PullContext, kind: str, name: str, digests: list[bytes]
) -> set[bytes]:
    """What this store would publish of some proteins: no need to fetch it."""
    store = context.store
    records: Iterable[Record] = ()
    if kind == "tokens" and digests and name in store.sources():
        records = token_records(store.tokens(name), digests)
    elif kind == "proteins":
        lengths = context.lengths(digests)
        stored = [digest for digest, length in zip(digests, lengths, strict=True) if length >= 0]
        records = protein_records(store, stored)
    elif kind == "ids" and digests:
        records = id_records(store)
    return {identity(record) for record in records}


@dataclass
class _Records:
    """Records to fetch, by bundle."""

    parts: list[tuple[str, Index, NDArray[np.int64]]] = field(default_factory=list)
    makers: dict[str, dict[str, Any]] = field(default_factory=dict)
    bytes: int = 0

    @property
    def total(self) -> int:
        return sum(len(rows) for _, _, rows in self.parts)

    def fetch(self, context: PullContext) -> Iterator[list[Record]]:
        """Yield records many at a time: each batch becomes one transaction."""
        records = (
            record
            for sha, index, rows in self.parts
            for batch in context.reader.records(sha, index.bundles[sha], rows, context.pool)
            for record in batch
        )
        yield from batches(records, _TRANSACTION)


def _differ(stored: StructureTokens, arrival: StructureTokens) -> bool:
    """Whether two tokens of a protein differ in a part that both have."""
    pairs = [
        (stored.codes[a], arrival.codes[a]) for a in stored.codes.keys() & arrival.codes.keys()
    ]
    if stored.plddt is not None and arrival.plddt is not None:
        pairs.append((stored.plddt, arrival.plddt))
    return not all(np.array_equal(a, b) for a, b in pairs)
