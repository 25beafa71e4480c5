"""Check one segment: files, checksums, metadata, digests, offsets, values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptStoreError
from ..provenance import Provenance
from . import layout
from .files import unsealed
from .index import DigestIndex
from .seals import file_crc
from .segments import Segment

_BLOCK = 1 << 22
_EXPONENT = {"float16": (np.uint16, 0x7C00), "float32": (np.uint32, 0x7F800000)}


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
    try:
        listed = unsealed((path / layout.CHECKSUMS).read_bytes(), path / layout.CHECKSUMS)["files"]
    except (CorruptStoreError, OSError, KeyError) as problem:
        yield f"its checksums cannot be used ({problem})"
        return
    sound = True
    for fault in _file_problems(path, listed, quick=quick):
        sound = False
        yield fault
    if sound:
        yield from _structure_problems(Segment(path), provenance, quick=quick)


def _file_problems(path: Path, listed: dict[str, Any], *, quick: bool) -> Iterator[str]:
    there = dict(_files(path))
    for name in sorted(there.keys() - listed.keys() - {layout.CHECKSUMS}):
        yield f"{name} does not belong there"
    for name, sums in sorted(listed.items()):
        if name not in there:
            yield f"{name} is missing"
        elif there[name] != sums["bytes"]:
            yield f"{name} has {there[name]} bytes instead of {sums['bytes']}"
        elif quick and name.startswith("values/c"):
            continue
        elif f"{file_crc(path / name):08x}" != sums["crc32c"]:
            yield f"{name} is not what was written"


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
        made = Provenance.from_json(attributes["provenance"])
        digests, offsets, values = segment.digests, segment.offsets, segment.values
        scales = segment.scales
    except (CorruptStoreError, KeyError) as problem:
        yield str(problem)
        return
    if provenance is not None and made != provenance:
        yield "it was made by another encoder than its folder says"
    if len(digests) != attributes["proteins"] or offsets[-1] != attributes["residues"]:
        yield "it holds other numbers of proteins or residues than it says"
    if not DigestIndex(digests).firsts().all():
        yield "a digest stands in it twice"
    if offsets[0] != 0 or (np.diff(offsets) <= 0).any():
        yield "its offsets do not grow"
    if tuple(values.shape) != (int(offsets[-1]), made.dim) or values.dtype != made.dtype:
        yield f"its values are {values.dtype} {tuple(values.shape)}, not what its offsets say"
    elif (scales is None) == (made.dtype == "int8"):
        yield "scales belong to int8 values and only to them"
    elif scales is not None and (len(scales) != len(values) or not np.isfinite(scales).all()):
        yield "its scales are not one finite number a residue"
    elif not quick and not _finite(values, made.dtype):
        yield "it holds values that are not finite"


def _finite(values: Any, dtype: str) -> bool:
    if dtype not in _EXPONENT:
        return True
    kind, exponent = _EXPONENT[dtype]
    step = max(1, _BLOCK // values.shape[1])
    for start in range(0, len(values), step):
        block: NDArray[Any] = np.ascontiguousarray(values[start : start + step])
        if ((block.view(kind) & exponent) == exponent).any():
            return False
    return True
