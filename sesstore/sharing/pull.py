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

from ..errors import CorruptStoreError, InputError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..residues import StructureTokens
from ..store import Store, layout
from ..store.tasks import read_task, write_task
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
    chosen_encoders,
    chosen_names,
    digests_of_ids,
    digests_of_tasks,
)
from .pull_segments import Plan, plan_encoder, take_segments
from .ranges import in_batches
from .share_index import EncoderEntry, Index
from .share_paths import refusal
from .temporary_folders import scratch_folder

_FILES_AT_ONCE = 8
_TRANSACTION = 4096


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
    with open_place(where, progress=progress) as remote, ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        reader = Reader(remote)
        index = reader.index()
        chosen = selection or Selection()
        _check_names(index, chosen)
        store = into if isinstance(into, Store) else Store.open(into, create=True)
        taking = PullContext(store, reader, pool, progress, PullReport(remote.url))
        return _run(taking, index, chosen)


def merge(into: Store | Path, other: Store, *, progress: Progress = SILENT) -> PullReport:
    """Take into a store (made if need be) everything that `other` has: set union."""
    path = into.path if isinstance(into, Store) else into
    if path.resolve() == other.path.resolve():
        raise InputError(f"{path} cannot be merged with itself. Name two stores")
    return pull(into, str(other.path), progress=progress)


def _check_names(
    index: Index, chosen: Selection
) -> tuple[dict[str, EncoderEntry], list[str], list[str]]:
    """Encoders, sources and tasks that are meant; raises `UnknownNameError`."""
    encoders = chosen_encoders(index, chosen.plms)
    sources = chosen_names("source of tokens", index.sources(), chosen.sources)
    tasks = chosen_names("task", index.tasks, None if chosen.everything else chosen.tasks)
    return encoders, sources, tasks


def _run(taking: PullContext, index: Index, chosen: Selection) -> PullReport:
    """Choose, plan, take."""
    encoders, sources, tasks = _check_names(index, chosen)
    found = {name: _task(taking, index, name) for name in tasks}
    wanted: set[bytes] | None = None
    if not chosen.everything:
        wanted = digests_of_tasks(found.values())
        wanted |= digests_of_ids(taking.reader, index, chosen.ids, taking.pool)
    plan, along = Plan(), set[bytes]()
    for folder in encoders:
        along |= plan_encoder(taking, index, folder, wanted, plan)
    if wanted is not None:
        wanted |= along  # what comes in whole segments gets its sequences and tokens too
    taking.check_room(plan.bytes, "embeddings")
    take_proteins(taking, index, wanted)
    for source in sources:
        take_tokens(taking, index, source, wanted)
    take_segments(taking, plan)
    for task in found.values():
        _add_task(taking, task)
    taking.report.bytes = taking.reader.bytes
    return taking.report


def _task(taking: PullContext, index: Index, name: str) -> Task:
    """Fetch a task and check it, through a file, as those of a store are read."""
    entry = index.tasks[name]
    with scratch_folder("pull") as folder:
        beside = folder / f"{name}.jsonl"
        taking.reader.save(share_paths.task_path(entry.sha256), beside, entry.bytes, entry.sha256)
        try:
            task = read_task(beside)
        except (CorruptStoreError, InputError) as problem:
            raise refusal(f"task {name} cannot be read ({problem})") from None
    if task.name != name:
        raise refusal(f"task {name} calls itself '{task.name}'")
    return task


def _add_task(taking: PullContext, task: Task) -> None:
    if task.name not in taking.store.tasks():
        path = taking.store.path / layout.TASKS / f"{task.name}.jsonl"
        write_task(path, task)
        taking.report.tasks.append(task.name)
    elif taking.store.task(task.name).data_digest != task.data_digest:
        taking.report.conflicts.append(f"task {task.name}")


def take_proteins(taking: PullContext, index: Index, wanted: set[bytes] | None) -> None:
    """Bring sequences and ids, all or those of some proteins; raises `CorruptStoreError`."""
    mine = _identities(taking, index, "proteins", "", wanted)
    taking.check_room(mine.bytes, "sequences")
    with taking.progress.stage("sequences", mine.total, "records") as bar:
        for records in mine.fetch(taking):
            taking.report.proteins += taking.store.add_proteins(map(read_protein, records))
            bar.advance(len(records))
    for records in _identities(taking, index, "ids", "", wanted).fetch(taking):
        known = taking.store.proteins([record.digest for record in records])
        taking.store.add_proteins(
            Protein(read_id(record), protein.sequence)
            for record, protein in zip(records, known, strict=True)
        )


def take_tokens(taking: PullContext, index: Index, source: str, wanted: set[bytes] | None) -> None:
    """Bring the tokens of a source, all or those of some proteins, and what alphabets they need.

    Raises
    ------
    CorruptStoreError
        Some are not what they say.
    InputError
        An alphabet of that name has other states here.
    """
    for one in index.alphabets.values():
        taking.store.declare(one)
    mine = _identities(taking, index, "tokens", source, wanted)
    taking.check_room(mine.bytes, f"tokens of {source}")
    with taking.progress.stage(f"tokens of {source}", mine.total, "records") as bar:
        for records in mine.fetch(taking):
            _add_tokens(taking, records, source, mine.makers)
            bar.advance(len(records))


def _add_tokens(
    taking: PullContext, records: list[Record], source: str, makers: dict[str, dict[str, Any]]
) -> None:
    by_maker: dict[str, list[StructureTokens]] = {}
    known = taking.lengths(record.digest for record in records)
    new: set[bytes] = set()
    for record, length in zip(records, known, strict=True):
        for maker, tokens in read_tokens(record, source, makers).parts.items():
            if length not in (-1, len(tokens)):
                raise refusal("tokens have another length than their sequence")
            by_maker.setdefault(maker, []).append(tokens)
    before = {}
    if source in taking.store.sources():
        there = taking.store.tokens(source).get_all([record.digest for record in records])
        before = {tokens.digest: tokens for tokens in there if tokens is not None}
    for maker, items in by_maker.items():
        written = taking.store.add_tokens(items, makers[maker]["circumstances"])
        if written:
            new.update(item.digest for item in items if item.digest not in before)
        for item in items:
            if item.digest in before and _differ(before[item.digest], item):
                taking.report.conflicts.append(f"tokens {source}/{item.digest.hex()[:12]}")
    taking.report.tokens += len(new)


def _identities(
    taking: PullContext, index: Index, kind: str, name: str, wanted: set[bytes] | None
) -> _Records:
    """Records of one kind that are not here yet: the last of a protein counts for tokens."""
    footers = [
        (sha, taking.reader.footer(sha, bundle))
        for sha, bundle in index.of_kind(kind)
        if bundle.name == name
    ]
    rows = [
        np.arange(len(footer)) if wanted is None else rows_of(footer, wanted)
        for _, footer in footers
    ]
    asked = [
        footer.digests[row].tobytes()
        for (_, footer), some in zip(footers, rows, strict=True)
        for row in some
    ]
    here = _here(taking, kind, name, asked)
    found, taken = _Records(), set[bytes]()
    for (sha, footer), some in zip(reversed(footers), reversed(rows), strict=True):
        keep = []
        for row in some.tolist():
            digest = footer.digests[row].tobytes()
            known = digest + footer.sums[row].tobytes() in here
            if known or (kind == "tokens" and digest in taken):
                continue
            taken.add(digest)
            keep.append(row)
        found.makers |= footer.makers
        found.parts.append((sha, index, np.asarray(keep, np.int64)))
        found.bytes += int(footer.sizes[keep].sum()) if keep else 0
    found.parts.reverse()
    return found


def _here(taking: PullContext, kind: str, name: str, digests: list[bytes]) -> set[bytes]:
    """What this store would publish of some proteins: no need to fetch it."""
    store = taking.store
    records: Iterable[Record] = ()
    if kind == "tokens" and digests and name in store.sources():
        records = token_records(store.tokens(name), digests)
    elif kind == "proteins":
        lengths = taking.lengths(digests)
        known = [digest for digest, length in zip(digests, lengths, strict=True) if length >= 0]
        records = protein_records(store, known)
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

    def fetch(self, taking: PullContext) -> Iterator[list[Record]]:
        """Yield records many at a time: each batch becomes one transaction."""
        records = (
            record
            for sha, index, rows in self.parts
            for some in taking.reader.records(sha, index.bundles[sha], rows, taking.pool)
            for record in some
        )
        yield from in_batches(records, _TRANSACTION)


def _differ(mine: StructureTokens, theirs: StructureTokens) -> bool:
    """Whether two tokens of a protein differ in a part that both have."""
    pairs = [(mine.codes[a], theirs.codes[a]) for a in mine.codes.keys() & theirs.codes.keys()]
    if mine.plddt is not None and theirs.plddt is not None:
        pairs.append((mine.plddt, theirs.plddt))
    return not all(np.array_equal(a, b) for a, b in pairs)
