"""Names of files that may be packed: ``x.csv.gz`` is a ``.csv`` file called ``x``, in any case."""

from __future__ import annotations

import zipfile
from pathlib import Path


def unpacked_name(name: str) -> str:
    """Name of a file without ``.gz``, in whatever case."""
    return name[:-3] if name.lower().endswith(".gz") else name


def data_suffix(path: Path | zipfile.Path) -> str:
    """Suffix of a file, ``.gz`` aside, in lower case."""
    return Path(unpacked_name(path.name)).suffix.lower()
