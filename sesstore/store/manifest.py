"""What a store should hold: an entry for each segment, database, task and alphabet.

``manifest/`` mirrors the store: ``manifest/tasks/x.jsonl`` is the entry of ``tasks/x.jsonl``.
Without it nobody could tell a store that lost a file from one that never had it. There is no lock
and no common file, so any number of writers on any number of machines add entries side by side.

An entry is written under a dot-name before its object exists, and gets its name when the object is
there; it goes before the object goes. So whatever is killed in between:

- an entry under its name whose object is not there is a loss, never somebody's work under way;
- an entry under a dot-name counts once its object is there; without it, nothing was committed;
- an object without an entry is sound: older stores have none. `sesstore repair` enters them.

The entry of a database is renewed with each seal and says how many proteins it held, so a file that
somebody put back from yesterday is noticed too.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..durable_files import fsync, make_folder, write_file
from ..errors import CorruptStoreError
from . import layout
from .access import is_there, system_errors
from .atomic_files import SEAL, replace_file, sealed, unsealed

_FOLDERS = {layout.TOKENS, layout.TASKS, layout.ALPHABETS, layout.SHARE}


@dataclass(frozen=True)
class Entry:
    """One entry.

    Parameters
    ----------
    place : path
        Where the object lies.
    counts : dict of str to int
        What it held, such as ``proteins`` and ``residues`` of a segment.
    pending : bool
        The writer had not finished when it wrote this.
    file : path
        The entry itself.
    """

    place: Path
    counts: dict[str, int]
    pending: bool
    file: Path

    @property
    def is_abandoned(self) -> bool:
        """Whether its writer ended before the object existed."""
        return self.pending and not is_there(self.place)


@contextmanager
def entered(place: Path, **counts: int) -> Iterator[None]:
    """Enter an object around the step that makes it exist.

    Parameters
    ----------
    place : path
        Where it will lie.
    **counts : int
        What it holds.

    Raises
    ------
    StorageFullError
        No space for the entry; the step was not taken.
    """
    entry = _entry_of(place)
    if entry is None or is_there(entry):
        yield
        return
    pending = entry.with_name(f".{entry.name}")
    beside = entry.with_name(f".{entry.name}.{secrets.token_hex(6)}")
    try:
        with system_errors(entry):
            make_folder(entry.parent)
            # Renamed even to its dot-name, or a killed writer could leave half an entry there.
            write_file(beside, sealed(dict(counts)))
            os.rename(beside, pending)
        yield
    except BaseException:
        for scratch in (beside, pending):
            with suppress(OSError):
                scratch.unlink()
        raise
    with suppress(OSError):  # the object is there: then the pending entry counts as well
        os.rename(pending, entry)
        fsync(entry.parent)


def renew(place: Path, **counts: int) -> None:
    """Write the entry of an object that is there; raises `StorageFullError`."""
    entry = _entry_of(place)
    if entry is not None:
        with system_errors(entry):
            make_folder(entry.parent)
        replace_file(entry, sealed(dict(counts)))
        with suppress(OSError):
            entry.with_name(f".{entry.name}").unlink()


def strike(place: Path) -> None:
    """Remove the entry of an object that is about to be removed; durable when this returns."""
    entry = _entry_of(place)
    if entry is None:
        return
    with system_errors(entry):
        for file in (entry, entry.with_name(f".{entry.name}")):
            file.unlink(missing_ok=True)
        if entry.parent.is_dir():
            fsync(entry.parent)


def entries(root: Path) -> Iterator[Entry | CorruptStoreError]:
    """Yield all entries of a store; an error in the place of one that is not what was written."""
    for file, place in _files(root):
        try:
            yield Entry(place, _read_counts(file), file.name != place.name, file)
        except FileNotFoundError:  # struck, or finished, while we looked
            continue
        except CorruptStoreError as problem:
            yield problem


def drop_broken(root: Path) -> list[Path]:
    """Remove entries that are not what was written; return the places they were of."""
    places = []
    for file, place in list(_files(root)):
        try:
            _read_counts(file)
        except CorruptStoreError:
            file.unlink()
            places.append(place)
        except FileNotFoundError:
            continue
    return places


def counts_of(place: Path) -> dict[str, int] | None:
    """What an object held by its entry; None if there is none, or if it is broken."""
    entry = _entry_of(place)
    if entry is not None:
        with suppress(CorruptStoreError, FileNotFoundError):
            return _read_counts(entry)
    return None


def has_entry(place: Path) -> bool:
    """Whether an object has an entry under its name."""
    entry = _entry_of(place)
    return entry is not None and is_there(entry)


def is_entered(place: Path) -> bool:
    """Whether an object has an entry, under its name or pending."""
    entry = _entry_of(place)
    return entry is not None and (is_there(entry) or is_there(entry.with_name(f".{entry.name}")))


def _read_counts(file: Path) -> dict[str, int]:
    with system_errors(file):
        document = unsealed(file.read_bytes(), file)
    return {key: value for key, value in document.items() if key != SEAL and type(value) is int}


def _files(root: Path) -> Iterator[tuple[Path, Path]]:
    """Files of the entries, and the places of their objects; other tools' files are passed over."""
    manifest = root / layout.MANIFEST
    folders = [manifest, *(manifest / name for name in sorted(_FOLDERS))]
    folders += layout.encoder_folders(manifest)
    for folder in folders:
        with system_errors(folder):
            names = sorted(os.listdir(folder)) if folder.is_dir() else []
        for name in names:
            place = root / folder.relative_to(manifest) / name.removeprefix(".")
            if layout.is_object(place.relative_to(root).parts):
                yield folder / name, place


def _entry_of(place: Path) -> Path | None:
    """File of an object's entry; None for what is no part of a store."""
    if place.name.startswith("."):
        return None
    if place.parent.name in _FOLDERS:
        root = place.parent.parent
    elif place.parent.parent.name == layout.EMBEDDINGS:
        root = place.parent.parent.parent
    elif place.name == layout.PROTEINS:
        root = place.parent
    else:
        return None
    if not (root / layout.METADATA).is_file():
        return None
    return root / layout.MANIFEST / place.relative_to(root)
