"""Check one segment: files, checksums, metadata, digests, offsets, values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CorruptStoreError, StoreError
from ..proteins import DIGEST_BYTES
from ..provenance import Provenance
from ..residues import STORAGE_TYPES, is_finite
from . import layout
from .access import system_errors
from .atomic_files import unsealed
from .digest_index import DigestIndex
from .lmdb_seals import file_crc
from .segments import Segment


def segment_problems(path: Path, provenance: Provenance | None, *, quick: bool) -> Iterator[str]:
    """Yield what is wrong with a segment, one line each; nothing if it is sound.

    Parameters
    ----------
    path : path
        Its folder.
    provenance : Provenance, optional
        What its encoder's folder says; not compared if that is unreadable.
    quick : bool
        Look at sizes and structure only, not at the bytes of values.
    """
    with system_errors(path):
        try:
            listed = _listed(path)
        except (CorruptStoreError, FileNotFoundError, NotADirectoryError, KeyError) as problem:
            yield f"its checksums cannot be used ({problem})"
            return
        sound = True
        for fault in _file_problems(path, listed, quick=quick):
            sound = False
            yield fault
        if sound:
            yield from _structure_problems(Segment(path), provenance, quick=quick)


def foreign_files(path: Path) -> list[str]:
    """Files in a segment's folder that it does not list: never read, and never a fault of it."""
    with system_errors(path):
        try:
            listed = _listed(path)
        except (CorruptStoreError, FileNotFoundError, NotADirectoryError, KeyError):
            return []
        return sorted(dict(_files(path)).keys() - listed.keys() - {layout.CHECKSUMS})


def _listed(path: Path) -> dict[str, Any]:
    """Size and sums of each file of a segment, by its path inside."""
    place = path / layout.CHECKSUMS
    listed = unsealed(place.read_bytes(), place)["files"]
    if not isinstance(listed, dict) or not all(_is_entry(*item) for item in listed.items()):
        raise CorruptStoreError(f"{place} is not as sesstore writes it")
    return listed


def _file_problems(path: Path, listed: dict[str, Any], *, quick: bool) -> Iterator[str]:
    sizes = dict(_files(path))
    for name, sums in sorted(listed.items()):
        if name not in sizes:
            yield f"{name} is missing"
        elif (path / name).is_symlink():
            yield f"{name} is a link; a segment has its files itself"
        elif sizes[name] != sums["bytes"]:
            yield f"{name} has {sizes[name]} bytes instead of {sums['bytes']}"
        elif quick and name.startswith("values/c"):
            continue
        elif f"{file_crc(path / name):08x}" != sums["crc32c"]:
            yield f"{name} is not what was written"


def _is_entry(name: Any, sums: Any) -> bool:
    return (
        isinstance(name, str)
        and isinstance(sums, dict)
        and {"bytes", "crc32c", "sha256"} <= sums.keys()
        and type(sums["bytes"]) is int
    )


def _files(path: Path, prefix: str = "") -> Iterator[tuple[str, int]]:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(path / entry.name, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry.stat(follow_symlinks=False).st_size


def _structure_problems(
    segment: Segment, provenance: Provenance | None, *, quick: bool
) -> Iterator[str]:
    try:
        attributes = segment.attributes
        own_provenance = Provenance.from_json(attributes["provenance"])
        counts = attributes["proteins"], attributes["residues"]
    except (StoreError, KeyError, TypeError) as problem:
        yield f"its metadata cannot be used ({problem})"
        return
    if provenance is not None and own_provenance != provenance:
        yield "it was made by another encoder than its folder says"
    # What the metadata claim is checked before an array is opened: a lie about a shape could
    # otherwise ask for any amount of memory.
    strange = _strange_metadata(segment.path, own_provenance, *counts)
    if strange:
        yield f"{strange} is not as sesstore writes it"
        return
    try:
        yield from _array_problems(segment, own_provenance, counts, quick=quick)
    except CorruptStoreError as problem:
        yield str(problem)


def _strange_metadata(
    path: Path, provenance: Provenance, proteins: Any, residues: Any
) -> str | None:
    """Name of the first array whose metadata are not what the counts of the segment ask for."""
    if not (_is_count(proteins) and _is_count(residues) and _is_count(provenance.dim)):
        return layout.METADATA
    if provenance.dtype not in STORAGE_TYPES:
        return layout.METADATA
    expected = {
        "offsets": layout.array_metadata((proteins + 1,), "int64"),
        "digests": layout.array_metadata((proteins, DIGEST_BYTES), "uint8"),
    }
    if provenance.dtype == "int8":
        expected["scales"] = layout.array_metadata((residues,), "float16")
    for name, metadata in expected.items():
        if (path / name / layout.METADATA).read_bytes() != metadata:
            return name
    raw = (path / "values" / layout.METADATA).read_bytes()
    return (
        None if _are_value_metadata(raw, (residues, provenance.dim), provenance.dtype) else "values"
    )


def _are_value_metadata(raw: bytes, shape: tuple[int, int], dtype: str) -> bool:
    try:
        metadata = layout.parse(raw)
        shard_rows = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
        chunk_rows = metadata["codecs"][0]["configuration"]["chunk_shape"][0]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return False
    if not (_is_count(shard_rows) and _is_count(chunk_rows) and shard_rows % chunk_rows == 0):
        return False
    return layout.sharded_metadata(shape, dtype, shard_rows, chunk_rows) == raw


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 48


def _array_problems(
    segment: Segment, provenance: Provenance, counts: tuple[int, int], *, quick: bool
) -> Iterator[str]:
    digests, offsets, scales = segment.digests, segment.offsets, segment.scales
    values = segment.values
    if not DigestIndex(digests).firsts().all():
        yield "a digest stands in it twice"
    # Compared, not subtracted: differences of numbers that lie could overflow.
    if offsets[0] != 0 or offsets[-1] != counts[1] or (offsets[1:] <= offsets[:-1]).any():
        yield "its offsets do not grow from 0 to its number of residues"
    if not isinstance(values, np.ndarray):
        yield "its shards do not lie in order"
    elif scales is not None and not np.isfinite(scales).all():
        yield "its scales are not finite"
    elif not quick and provenance.dtype != "int8" and not is_finite(values):
        yield "it holds values that are not finite"
