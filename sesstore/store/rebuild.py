"""Put a new LMDB file with all that is sound in the place of a broken one.

The new file is whole, read back and on disk before the old one is moved, so a full disk, a crash or
a kill at any moment leaves one of the two in its place.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from ..durable_files import fsync
from ..errors import SesstoreError, StoreError
from . import layout
from .access import system_errors
from .database import close_database
from .lmdb_check import check_records
from .lmdb_salvage import Salvage, salvage
from .lmdb_seals import seal_path
from .manifest import strike
from .protein_table import ProteinTable
from .segments import Segment
from .task_files import read_task
from .tokens import Tokens


def rebuild(path: Path, aside: Path) -> Salvage:
    """Save the sound records of a file into a new one, which takes its place.

    Parameters
    ----------
    path : path
        The broken file.
    aside : path
        Where it goes.

    Raises
    ------
    StorageFullError
        No space for the new one; the old one is where it was.
    StoreError
        Something else failed; the old one is where it was.
    """
    beside = path.with_name(f".{secrets.token_hex(6)}.{path.name}")
    try:
        saved = salvage(path, beside)
        problems = check_records(beside).problems
        close_database(beside)
        if problems:
            raise StoreError(
                f"what was saved cannot be read ({problems[0]}). The old file is still in its "
                f"place: copy it away before you try anything else"
            )
        with system_errors(path):
            fsync(beside)
            _swap(path, beside, aside)
    finally:
        close_database(beside)
        for scratch in (beside, Path(f"{beside}-lock"), seal_path(beside)):
            scratch.unlink(missing_ok=True)
    return saved


def _swap(path: Path, beside: Path, aside: Path) -> None:
    strike(path)  # of two states in its place either is right until the new one is sealed
    linked = True
    try:
        os.link(path, aside)
    except OSError:  # a file system without links
        linked = False
        os.rename(path, aside)
    fsync(aside.parent)
    for scratch in (Path(f"{path}-lock"), seal_path(path)):
        scratch.unlink(missing_ok=True)
    try:
        os.rename(beside, path)
    except OSError:
        if not linked:
            os.rename(aside, path)
        raise
    fsync(path.parent)


def named_without_sequence(root: Path) -> set[str]:
    """Digests (hexadecimal) that embeddings, tokens or tasks name, and no sequence is there of."""
    digests: set[bytes] = set()
    for folder in layout.encoder_folders(root):
        for segment in layout.segment_folders(folder):
            with suppress(SesstoreError):
                digests.update(row.tobytes() for row in Segment(segment).digests)
    for path in layout.documents(root / layout.TOKENS, ".lmdb"):
        with suppress(SesstoreError, KeyError):
            digests.update(Tokens(path).digests())
    for path in layout.documents(root / layout.TASKS, ".jsonl"):
        with suppress(SesstoreError):
            for split in read_task(path).splits.values():
                digests.update(row.tobytes() for row in split.digests)
    keys = sorted(digests)
    lengths = ProteinTable(root / layout.PROTEINS).lengths(keys)
    return {d.hex() for d, length in zip(keys, lengths, strict=True) if length < 0}
