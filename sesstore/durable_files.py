"""What it takes for a file to survive a crash of the machine.

A write that has returned may still be in the system's memory alone. So a file is written under
another name, *fsynced*, renamed, and the folder that holds its name is fsynced too, in this order:
otherwise a name may lead to an empty file, or to none.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_all(handle: int, data: bytes | memoryview) -> None:
    """Write every byte of `data` to a file descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and fsync it; the folder is the caller's to fsync."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, durably; fine if it is there."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync(folder.parent)


def rename_durably(beside: Path, path: Path) -> None:
    """Make a file, or a folder with all in it, durable, and give it its name, replacing a file."""
    for folder, _, files in os.walk(beside):
        for file in files:
            fsync(Path(folder) / file)
        fsync(Path(folder))
    if beside.is_file():
        fsync(beside)
    os.replace(beside, path)
    fsync(path.parent)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to, a file or a folder, and in the end its own.

    Where that fails nothing half-written stays, and what was at `path` is as it was. The name ends
    as `path` does, for writers that look at that.
    """
    beside = path.with_name(f".{secrets.token_hex(6)}.{path.name}")
    try:
        yield beside
        rename_durably(beside, path)
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            beside.unlink(missing_ok=True)
