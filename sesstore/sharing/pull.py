"""Pull: bring into a store what a published store, or another store on this machine, has.

Order: index, tasks, then which segments (whole, or in parts where that is less), then sequences
and tokens, then embeddings, which need their sequences to be checked against. Everything that
arrives is checked before it is stored; what is here already is not fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import CorruptStoreError, InputError, MissingFileError
from ..progress import SILENT, Progress
from ..store import Store, layout
from ..store.access import is_there, system_errors
from ..store.pages import check_structure
from ..store.tasks import read_task, write_task
from ..tasks import Task
from . import names
from .httpremote import HttpRemote
from .index import EncoderEntry, Index
from .overlay import Overlay
from .reading import Reader
from .recordpull import take_proteins, take_tokens
from .remote import WEB, FolderRemote, Remote, as_folder, check_address, is_url
from .scratch import scratch_folder
from .segmentpull import Plan, plan_encoder, take_segments
from .taking import PullReport, Taking
from .urls import UrlRemote
from .wanted import (
    Selection,
    chosen_encoders,
    chosen_names,
    digests_of_ids,
    digests_of_tasks,
)

_FILES_AT_ONCE = 8


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
        chosen = selection or Selection()
        _check_names(index, chosen)
        store = into if isinstance(into, Store) else Store.open(into, create=True)
        taking = Taking(store, reader, pool, progress, PullReport(remote.url))
        return _run(taking, index, chosen)


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
        if check_address(where) in WEB:
            with closing(HttpRemote(where)) as remote:
                yield remote
        else:
            yield UrlRemote(where)
        return
    folder = as_folder(where)
    with system_errors(folder):
        shared = (folder / names.INDEX).is_file()
        living = (folder / layout.PROTEINS).exists()
        neither = not shared and not (folder / layout.METADATA).is_file()
    if neither:
        raise MissingFileError(
            f"there is no store at '{folder}'. Name the folder of one, or a URL (s3://, gs://, "
            f"https://)"
        )
    if living or not shared:
        _check_databases(folder)
        with Overlay(Store.open(folder), progress=progress) as overlay:
            yield overlay
    else:
        yield FolderRemote(folder)


def _check_databases(folder: Path) -> None:
    """Walk the pages of somebody's databases before LMDB, which trusts them, maps them."""
    for path in (folder / layout.PROTEINS, *layout.documents(folder / layout.TOKENS, ".lmdb")):
        if is_there(path):
            check_structure(path)


def _check_names(
    index: Index, chosen: Selection
) -> tuple[dict[str, EncoderEntry], list[str], list[str]]:
    """Encoders, sources and tasks that are meant; raises `UnknownNameError`."""
    encoders = chosen_encoders(index, chosen.plms)
    sources = chosen_names("source of tokens", index.sources(), chosen.sources)
    tasks = chosen_names("task", index.tasks, None if chosen.everything else chosen.tasks)
    return encoders, sources, tasks


def _run(taking: Taking, index: Index, chosen: Selection) -> PullReport:
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


def _task(taking: Taking, index: Index, name: str) -> Task:
    """Fetch a task and check it, through a file, as those of a store are read."""
    entry = index.tasks[name]
    with scratch_folder("pull") as folder:
        beside = folder / f"{name}.jsonl"
        taking.reader.save(names.task_path(entry.sha256), beside, entry.bytes, entry.sha256)
        try:
            task = read_task(beside)
        except (CorruptStoreError, InputError) as problem:
            raise names.refused(f"task {name} cannot be read ({problem})") from None
    if task.name != name:
        raise names.refused(f"task {name} calls itself '{task.name}'")
    return task


def _add_task(taking: Taking, task: Task) -> None:
    if task.name not in taking.store.tasks():
        path = taking.store.path / layout.TASKS / f"{task.name}.jsonl"
        write_task(path, task)
        taking.report.tasks.append(task.name)
    elif taking.store.task(task.name).data_digest != task.data_digest:
        taking.report.conflicts.append(f"task {task.name}")
