"""Files that are either whole and on disk, or not there: the only place that writes.

Everything goes through a dot-name, is flushed and fsynced with its folder, and then renamed. A full
disk surfaces as `StorageFullError`, and what was half-written is removed. Small JSON documents are
*sealed*: they hold the SHA-256 of themselves and are written in one canonical form, so any changed
byte shows.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..cells import cell
from ..durable_files import fsync, write_all
from ..errors import DISK_FULL, CorruptStoreError, StorageFullError, UnwritableError
from .access import full, system_errors
from .write_locks import new_file

SEAL = "sha256"
"""Key under which a sealed document holds its own hash."""


@contextmanager
def saying_when_full(path: Path) -> Iterator[None]:
    """Turn "no space left" of the operating system into `StorageFullError`."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in DISK_FULL or isinstance(problem, StorageFullError):
            raise
        raise full(path) from problem


def how_to_share(path: Path) -> str:
    """Say whom a file belongs to and how others come to write it."""
    status = path.stat()
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    return (
        f"It belongs to {owner} ({stat.filemode(status.st_mode)}). For a store that several people "
        f"write: chgrp -R GROUP, chmod -R g+rwX, chmod g+s on its folders, and umask 002"
    )


def check_writable(path: Path) -> None:
    """Raise unless a file or folder can be written at `path`, before hours of work for it.

    Raises
    ------
    UnwritableError
        Its nearest folder that exists, or what is there already, may not be written.
    """
    place = path.absolute()
    if not place.is_dir():  # files are replaced, so what counts is their folder
        place = place.parent
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise UnwritableError(path, f"'{place}' is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UnwritableError(path, f"no permission to write in '{place}'")


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one atomic step, durable when this returns.

    Raises
    ------
    StorageFullError
        No space left; the old file, if any, is still there.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with system_errors(path):
            handle = new_file(beside)
            try:
                write_all(handle, data)
                os.fsync(handle)
                os.rename(beside, path)
            finally:
                os.close(handle)
            fsync(path.parent)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def write_reasons(path: Path, kind: str, reasons: Mapping[str, str]) -> str | None:
    """Write a table of names and reasons, a line each, for people and scripts.

    Where there are none, the table of an earlier run is removed.

    Parameters
    ----------
    path : path
        Of the table; its folder is made.
    kind : str
        What the names are of: the head of their column.

    Returns
    -------
    str or None
        The path; None where there is nothing to write.
    """
    if not reasons:
        path.unlink(missing_ok=True)
        return None
    path.parent.mkdir(exist_ok=True)
    rows = [(kind, "reason"), *reasons.items()]
    text = "".join("\t".join(cell(" ".join(part.split())) for part in row) + "\n" for row in rows)
    replace_file(path, text.encode("utf-8", "surrogateescape"))
    return str(path)


def sealed(document: dict[str, Any]) -> bytes:
    """Bytes of a JSON document with its own hash among its keys."""
    body = {key: value for key, value in document.items() if key != SEAL}
    return _pretty({**body, SEAL: sha256(_pretty(body)).hexdigest()})


def unsealed(data: bytes, path: Path) -> dict[str, Any]:
    """Document of `sealed` bytes.

    Raises
    ------
    CorruptStoreError
        Any byte differs from what `sealed` wrote.
    """
    try:
        document = json.loads(data)
        intact = isinstance(document, dict) and sealed(document) == data
    except (ValueError, RecursionError):
        intact = False
    if not intact:
        raise CorruptStoreError(f"{path} is not what was written. Run `sesstore verify`")
    return dict(document)


def _pretty(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"
