"""Temporary folders: gone afterwards, and an error of their own where none can be made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreAccessError


def make_scratch(what: str) -> Path:
    """Make a temporary folder; the caller removes it.

    Raises
    ------
    StoreAccessError
        There is no place for one.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=f"sesstore-{what}-"))
    except OSError as problem:
        raise StoreAccessError(
            f"no temporary folder can be made ({problem.strerror or problem}). Free some space, or "
            f"set TMPDIR to a folder that can be written to"
        ) from None


@contextmanager
def scratch_folder(what: str) -> Iterator[Path]:
    """Yield a temporary folder, removed afterwards; raises as `make_scratch`."""
    folder = make_scratch(what)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
