"""Train straight from a remote store: what the task needs is pulled into a store of this machine.

The copy lies in the user's cache, one for each address, and is an ordinary store: every later run
finds there what it needs and asks the remote only for its index and what is new. When the remote
cannot be reached and the copy has the task, the copy is used, and that is said.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from ..cache_folders import cache_folder
from ..errors import InputError, StoreError
from ..progress import SILENT, Progress
from ..provenance import deepest, named_encoders
from ..store import Store
from .fetch import Reader
from .overlay import open_place
from .places import is_url
from .pull import pull
from .pull_context import Selection


def cache_of(address: str) -> Path:
    """Folder of the copy of a remote store."""
    plain = address.rstrip("/")
    readable = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:60]
    digest = sha256(plain.encode()).hexdigest()[:12]
    return cache_folder() / "stores" / f"{readable}-{digest}"


def remote_store(
    address: str, task: str, plm: str | None = None, *, progress: Progress = SILENT
) -> Store:
    """Return a store of this machine with what a task needs of a remote one.

    Parameters
    ----------
    address : str
        URL of the remote store.
    task : str
        The task.
    plm : str, optional
        Name of the encoder; may be left out where the remote has one. Embeddings the remote lacks
        can be made here.

    Raises
    ------
    InputError
        The remote has several encoders and none was named, or there is no such task.
    StoreError
        The remote cannot be reached, and there is no copy with the task.
    """
    path = cache_of(address)
    try:
        with open_place(address) as remote:
            index = Reader(remote).index()
        # Of the layers the one that a training takes, and not all of them; and no means.
        stored = [encoder.provenance.fingerprint for encoder in index.encoders.values()]
        residues = [fingerprint for fingerprint in stored if not fingerprint.reduction]
        candidates = deepest(residues if plm is None else named_encoders(residues, plm))
        if plm is None and len(candidates) > 1:
            names = ", ".join(sorted({fingerprint.encoder for fingerprint in residues}))
            raise InputError(f"which encoder? Name one with --plm ({address} has: {names})")
        if plm is not None and not candidates:
            progress.note(f"{address} has no embeddings by {plm}: they will be made here")
        plms = tuple(fingerprint.digest for fingerprint in candidates)
        report = pull(path, address, Selection(tasks=(task,), plms=plms), progress=progress)
        if report.anything:
            progress.note(f"{address}: {report.bytes:,} bytes pulled into {path}")
    except StoreError as problem:
        if isinstance(problem, LookupError) or not _has(path, task):
            raise
        progress.note(f"{problem}. Using the copy in {path}")
    return Store.open(path)


def url_of(path: Path) -> str | None:
    """URL behind a path that was given as one (paths lose one of its slashes); None if none was."""
    text = re.sub(r"^([a-z][a-z0-9+.-]+):/+", r"\1://", str(path))
    return text if "://" in text and is_url(text) else None


def _has(path: Path, task: str) -> bool:
    return (path / "zarr.json").is_file() and task in Store.open(path).tasks()
