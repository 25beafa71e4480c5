"""The only paths that may come out of an index: everything else is refused before it is used."""

from __future__ import annotations

import re
from typing import Any

from ..errors import CorruptStoreError, InputError
from ..store import layout

INDEX = "share/index.json"
COMMITS = "share/commits"

_SEGMENT = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9a-f]{16}")
_SHA = re.compile(r"[0-9a-f]{64}")
_FILES = re.compile(
    r"zarr\.json|checksums\.json|(?:values|offsets|digests|scales)/zarr\.json"
    r"|values/c\.(?:0|[1-9][0-9]{0,6})\.0|(?:offsets|scales)/c\.0|digests/c\.0\.0"
)
_MOST_BYTES = 1 << 46


def segment_id(name: Any) -> str:
    """Return a segment's id if it is one."""
    return _check_name(_SEGMENT, name, "segment")


def sha256_name(name: Any) -> str:
    """Return a SHA-256 (hexadecimal) if it is one."""
    return _check_name(_SHA, name, "hash")


def segment_file(name: Any) -> str:
    """Return the name of a file inside a segment if a segment can have it."""
    return _check_name(_FILES, name, "file of a segment")


def encoder_folder(name: Any) -> str:
    """Return the name of an encoder's folder if it can be one."""
    return plain_name(name, "encoder")


def plain_name(name: Any, kind: str) -> str:
    """Return the name of a task or source if it can be one."""
    try:
        return layout.check_name(kind, name)
    except (InputError, TypeError):
        raise refusal(f"{name!r} is no name of a {kind}") from None


def size(value: Any, limit: int = _MOST_BYTES) -> int:
    """Return a number of bytes, records or residues if it can be one, and is not over `limit`."""
    if type(value) is not int or not 0 <= value <= limit:
        raise refusal(f"{str(value)[:80]} is no size it may have (at most {limit:,})")
    return value


def bundle_path(sha256: str) -> str:
    """Where a bundle lies."""
    return f"share/bundles/{sha256}"


def task_path(sha256: str) -> str:
    """Where a task's file lies."""
    return f"share/tasks/{sha256}"


def sums_path(segment: str) -> str:
    """Where the hashes of a segment's proteins lie."""
    return f"share/sums/{segment}"


def segment_path(folder: str, segment: str, file: str) -> str:
    """Where a file of a segment lies."""
    return f"{layout.EMBEDDINGS}/{folder}/{segment}/{file}"


def commit_path(name: str) -> str:
    """Where a commit record lies."""
    return f"{COMMITS}/{commit_name(name)}"


def commit_name(name: Any) -> str:
    """Return the name of a commit record if it is one; they are named as segments are."""
    return _check_name(_SEGMENT, name, "commit record")


def is_public(path: str) -> bool:
    """Whether a path is one a published store can have: what a server may hand out."""
    parts = path.split("/")
    if path in (INDEX, layout.METADATA, f"{layout.EMBEDDINGS}/{layout.METADATA}"):
        return True
    try:
        if parts[0] == "share" and len(parts) == 3:
            checks = {
                "bundles": sha256_name,
                "tasks": sha256_name,
                "sums": segment_id,
                "commits": commit_name,
            }
            return bool(checks[parts[1]](parts[2]))
        if parts[0] == layout.EMBEDDINGS and len(parts) >= 3:
            encoder_folder(parts[1])
            if len(parts) == 3:
                return parts[2] == layout.METADATA
            return bool(segment_id(parts[2]) and segment_file("/".join(parts[3:])))
    except (CorruptStoreError, KeyError):
        return False
    return False


def refusal(why: str) -> CorruptStoreError:
    """Return the error for something that arrived and is not what it says."""
    return CorruptStoreError(
        f"what was sent is refused: {why}. Nothing of it was stored; ask whoever shares it to "
        f"verify their store and push again"
    )


def _check_name(pattern: re.Pattern[str], name: Any, kind: str) -> str:
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise refusal(f"{str(name)[:80]!r} is no {kind}")
    return name
