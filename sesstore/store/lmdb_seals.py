"""Seals: size and CRC-32C of an LMDB file, standing beside it while nobody writes.

A writer removes the seal before its first change and puts it back after its last. So where a seal
stands every byte must be as written, free pages too; where none stands somebody is writing, or was
killed while writing, and the records have to be walked.
"""

from __future__ import annotations

from pathlib import Path

import google_crc32c

from ..errors import CorruptStoreError
from .access import system_errors
from .atomic_files import sealed, unsealed

_BLOCK = 1 << 22
_RETRIES = 5


def seal_path(path: Path) -> Path:
    """Return where the seal of a database file stands."""
    return path.with_name(path.name + ".seal")


def seal_of(path: Path) -> bytes:
    """Return the seal of a file as it is now."""
    return sealed({"bytes": path.stat().st_size, "crc32c": f"{file_crc(path):08x}"})


def file_crc(path: Path) -> int:
    """CRC-32C of a file."""
    crc = 0
    with system_errors(path), path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            crc = google_crc32c.extend(crc, block)
    return int(crc)


def seal_fits(path: Path, *, quick: bool) -> bool:
    """Whether a seal stands and fits; False if there is none.

    Parameters
    ----------
    path : path
        The database file.
    quick : bool
        Compare sizes only.

    Raises
    ------
    CorruptStoreError
        A seal stands and does not fit.
    """
    for _ in range(_RETRIES):
        seal = _read(path)
        if seal is None:
            return False
        expected = unsealed(seal, seal_path(path))
        with system_errors(path):
            same_size = path.stat().st_size == expected["bytes"]
        if same_size and (quick or f"{file_crc(path):08x}" == expected["crc32c"]):
            return True
        if _read(path) == seal:  # else a writer came between: look again
            break
    raise CorruptStoreError("the file is not what was written: its seal does not fit")


def _read(path: Path) -> bytes | None:
    with system_errors(path):
        try:
            return seal_path(path).read_bytes()
        except FileNotFoundError:
            return None
