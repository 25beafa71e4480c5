"""Open a store to write to, wherever its home is: a folder, or object storage (``s3://...``).

A store in object storage is a published store (see the room's first page) that many writers add to.
Each has a scratch folder of its own, a small store: sequences, tokens and tasks are fetched into it
when they are asked for, and sent by `Store.flush` and at the end; segments are sent as they are
committed, and dropped here. What the remote has is known from its index, so nothing is encoded
twice. A scratch folder that a killed writer left is sent and removed by the next one that opens the
same URL on that machine.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CorruptStoreError, InputError, SesstoreError, StoreFormatError
from ..progress import SILENT, Progress
from ..store import Store, layout
from .bucket_store import BucketStore
from .cache import cache_of
from .commits import published_index
from .fetch import Reader
from .object_storage import BucketRemote
from .places import Target, as_folder, is_url
from .share_index import Index
from .uploads import send_records, send_segment, task_conflicts


@contextmanager
def open_store(
    address: Path | str, *, create: bool = True, progress: Progress = SILENT
) -> Iterator[Store]:
    """Open a store for writing: a folder, or a URL (``s3://``, ``gs://``, ``az://``).

    Any number of processes on any number of machines may have one open at once. Leaving the block
    sends what was added and not sent yet, also where an error ends it, as on disk what was added
    stays. Segments are visible to others once `SegmentWriter.commit` returns; sequences, tokens and
    tasks after `Store.flush`.

    Parameters
    ----------
    address : path or str
        Folder or URL.
    create : bool
        Make it if there is none.
    progress : Progress
        Told about records that are fetched and sent.

    Yields
    ------
    Store
        Of a URL a `BucketStore`.

    Raises
    ------
    MissingFileError, NotStoredError
        There is no store, and none was to be made.
    StoreError
        It cannot be reached.
    """
    if not is_url(str(address)):
        yield Store.open(as_folder(str(address)), create=create)
        return
    target = BucketRemote(str(address))
    if create:
        published_index(target)  # raises where it cannot be reached, or is not as it must be
    else:
        Reader(target).index()
    root = cache_of(target.url)
    root = root.with_name(f"{root.name}.writing")
    _send_remains(target, root, progress)
    with _scratch(root) as folder:
        store = BucketStore(Store.create(folder / "store"), target, progress)
        try:
            yield store
        except BaseException:
            # What was added before the error is sent; if that fails too, the first error counts.
            try:
                store.close()
            except SesstoreError as problem:
                progress.note(f"warning: not all that was added could be sent: {problem}")
            raise
        else:
            store.close()
        finally:
            if not store.unsent:
                shutil.rmtree(folder)


@contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """Make a folder that is locked while this process lives."""
    folder = root / secrets.token_hex(6)
    hidden = folder.with_name(f".{folder.name}")
    hidden.mkdir(parents=True)
    handle = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # The system lets go of it however this process ends, so the next one can tell what is left.
        # Locked before others see it: they would take it for what a killed writer left.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(folder)
        yield folder
    finally:
        os.close(handle)


def _send_remains(target: Target, root: Path, progress: Progress) -> None:
    """Send what killed writers of this machine committed and did not send; remove their folders.

    What a power cut damaged of it, or does not fit what is there, is not sent, is kept beside, and
    is said.
    """
    for folder in layout.committed(root):
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process has sent it and removed it, or its writer has
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not folder.is_dir():
                continue
            problems = _send_all(folder / "store", target, progress)
            if problems:
                _keep_damaged(folder, problems, progress)
            else:
                shutil.rmtree(folder)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)


def _send_all(path: Path, target: Target, progress: Progress) -> list[str]:
    """Send a scratch store but for what is damaged or does not fit; says what that is."""
    problems: list[str] = []
    if not (path / layout.METADATA).is_file():
        return problems
    try:
        problems += _send_fitting(Store.open(path), target, progress)
    except (CorruptStoreError, StoreFormatError) as problem:
        problems.append(str(problem))
    for folder in layout.encoder_folders(path):
        for segment in layout.segment_folders(folder):
            progress.note(f"sending {segment.name}, which an earlier run left")
            try:
                send_segment(target, folder.name, segment)
                shutil.rmtree(segment)
            except CorruptStoreError as problem:
                problems.append(str(problem))
    return problems


def _send_fitting(store: Store, target: Target, progress: Progress) -> list[str]:
    """Send the records of a store; says what does not fit what others published meanwhile.

    That is no error: it would hold up every later run on this machine.
    """
    published = published_index(target)
    try:
        published.check(Index(alphabets=store.alphabets()))
    except InputError as problem:
        return [str(problem)]
    return task_conflicts(store, target, send_records(store, target, progress=progress))


def _keep_damaged(folder: Path, problems: list[str], progress: Progress) -> None:
    place = folder.parent.with_name(f"{folder.parent.name}.damaged") / folder.name
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    for problem in problems:
        progress.note(f"warning: what an earlier run left here is damaged or unfit: {problem}")
    progress.note(f"it was not sent and lies in {place}. What it held is made again by this run")
