"""Check what a store has published: everything its index names is there, and is what was sent.

Works for a store that was pushed to its own folder, and for a copy of a published one, which has no
databases: there the index is the list of what should be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CorruptStoreError
from . import layout
from .access import is_there, system_errors
from .atomic_files import unsealed
from .segments import Segment

_BLOCK = 1 << 22
_SUM_BYTES = 16
INDEX = "index.json"

Finding = tuple[Path, str]


def published_problems(root: Path, *, quick: bool) -> Iterator[Finding]:
    """Yield what is wrong under ``share/``: where, and what.

    Parameters
    ----------
    root : path
        The store, or a copy of a published one.
    quick : bool
        Compare sizes only.
    """
    share = root / layout.SHARE
    if not is_there(share):
        return
    records = layout.committed(share / "commits", folders=False)
    if not records and not is_there(share / INDEX):
        if any(layout.committed(share / name, folders=False) for name in ("bundles", "tasks")):
            yield share / INDEX, "it is missing. Push the store again"
        return
    for place in (share / INDEX, *records):
        try:
            yield from _index_problems(root, _document(place), quick=quick)
        except FileNotFoundError:
            yield place, "it is missing. Push the store again"
        except CorruptStoreError as problem:
            yield place, str(problem)
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            yield place, f"it cannot be read ({problem!r})"


def _document(place: Path) -> dict[str, Any]:
    with system_errors(place):
        return unsealed(place.read_bytes(), place)


def _index_problems(root: Path, index: dict[str, Any], *, quick: bool) -> Iterator[Finding]:
    share = root / layout.SHARE
    files = [("bundles", bundle["sha256"], bundle["bytes"]) for bundle in index["bundles"]]
    files += [("tasks", task["sha256"], task["bytes"]) for task in index["tasks"].values()]
    for kind, name, size in files:
        yield from _file_problems(share / kind / _plain(name), name, size, quick=quick)
    merged = _merged(root)
    for folder, encoder in index["encoders"].items():
        for name, entry in encoder["segments"].items():
            segment = root / layout.EMBEDDINGS / _plain(folder) / _plain(name)
            if is_there(segment):
                sums = share / "sums" / name
                yield from _sum_problems(sums, segment, entry["proteins"], quick=quick)
            elif name not in merged and not is_there(root / layout.PROTEINS):
                yield segment, f"it is gone; the index says it held {entry['proteins']:,} proteins"


def _file_problems(place: Path, name: str, size: int, *, quick: bool) -> Iterator[Finding]:
    total, length = sha256(), 0
    try:
        with system_errors(place):
            length = place.stat().st_size
            if length == size and not quick:
                with place.open("rb", buffering=0) as file:
                    while block := file.read(_BLOCK):
                        total.update(block)
    except FileNotFoundError:
        yield place, "it is missing. Push the store again"
        return
    if length != size or not (quick or total.hexdigest() == name):
        yield place, "it is not what was sent. Remove it and push the store again"


def _sum_problems(place: Path, segment: Path, proteins: int, *, quick: bool) -> Iterator[Finding]:
    """The sums of a segment's proteins, by which parts of it are checked on their way."""
    try:
        with system_errors(place):
            raw = place.read_bytes()
    except FileNotFoundError:
        yield place, "it is missing. Push the store again"
        return
    size_fits = len(raw) == _SUM_BYTES * proteins
    if not size_fits or not (quick or raw == _sums(segment)):
        yield place, "it is not what was sent. Remove it and push the store again"


def _sums(path: Path) -> bytes:
    segment, sums = Segment(path), []
    for start, stop in pairwise(segment.offsets.tolist()):
        rows = np.ascontiguousarray(segment.values[start:stop]).tobytes()
        scales = b"" if segment.scales is None else segment.scales[start:stop].tobytes()
        sums.append(sha256(rows + scales).digest()[:_SUM_BYTES])
    return b"".join(sums)


def _merged(root: Path) -> set[str]:
    """Segments that others say they were merged from."""
    names: set[str] = set()
    for folder in layout.encoder_folders(root):
        for path in layout.segment_folders(folder):
            try:
                names.update(_sources(Segment(path).attributes["circumstances"]))
            except (CorruptStoreError, KeyError, TypeError, AttributeError):
                continue
    return names


def _sources(circumstances: dict[str, Any]) -> Iterator[str]:
    for source in circumstances.get("compacted", ()):
        yield source["segment"]
        yield from _sources(source)


def _plain(name: Any) -> str:
    if not isinstance(name, str) or not layout.is_plain(name):
        raise ValueError(f"{name!r} is no name")
    return name
