"""Where everything lies in a store, and the Zarr v3 metadata that says so to other tools.

::

    STORE/
      zarr.json                              root group, attribute {"sesstore": {"format": 1, ...}}
      proteins.lmdb                          sequences by digest, ids
      embeddings/<encoder>-<fingerprint12>/<segment id>/{values,offsets,digests[,scales]}
      tokens/<source>.lmdb
      alphabets/<name>.toml                  alphabets of tokens that were declared
      tasks/<name>.jsonl
      set-aside/                             what `repair` took out of use
      manifest/                              what there should be: an entry for each of the above
      share/                                 index and bundles, once it was pushed (see `sharing`)

A name that starts with a dot is not committed and does not exist for readers.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..durable_files import fsync, make_folder, write_file
from ..errors import CorruptStoreError, InputError, StoreFormatError
from ..provenance import Provenance, canonical_json
from ..strays import is_stray
from .access import system_errors
from .atomic_files import replace_file
from .write_locks import new_folder

FORMAT = 1
METADATA = "zarr.json"
CHECKSUMS = "checksums.json"
EMBEDDINGS = "embeddings"
TOKENS = "tokens"
TASKS = "tasks"
ALPHABETS = "alphabets"
PROTEINS = "proteins.lmdb"
SET_ASIDE = "set-aside"
SHARE = "share"
MANIFEST = "manifest"
CARD = "README.md"
COMPACTION_LOCK = ".compaction.lock"

SHARD_BYTES = 128 << 20
CHUNK_ROWS = 1024
PAGE = 1 << 16
"""Whole shards are a multiple of this (the largest page size in use), so they can be mapped."""

_SUFFIXES = {TOKENS: ".lmdb", TASKS: ".jsonl", ALPHABETS: ".toml"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_PLAIN = re.compile(r"[A-Za-z0-9._+-]+")
_ENCODER = re.compile(r"[A-Za-z0-9._+-]{1,100}-[0-9a-f]{12}")
_SEGMENT = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9a-f]{16}")
_UNFINISHED = re.compile(
    r"\.(?:pull-|gone-)?[0-9]{8}T[0-9]{12}-[0-9a-f]{16}(?:-[0-9a-f]{8})?"  # segments
    r"|\..+\.[0-9a-f]{12}(?:-lock)?"  # files and groups that are written beside their place
    r"|\.[0-9a-f]{12}\..+"  # databases that are rebuilt
)


def check_name(kind: str, name: str) -> str:
    """Return `name` if it can name a file of a store.

    Raises
    ------
    InputError
        It has other characters than letters, digits and ``. _ + -``, or starts with a dot.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"'{name}' cannot name a {kind}: use letters, digits and . _ + - (128 at most), and "
            f"start with a letter or digit"
        )
    return name


def encoder_folder(provenance: Provenance) -> str:
    """Name of the folder of an encoder's segments."""
    fingerprint = provenance.fingerprint
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", fingerprint.encoder).lstrip(".")[:100]
    if fingerprint.reduction:
        name = f"{name[:90]}.{fingerprint.reduction}"
    return f"{name}-{fingerprint.short}"


def new_segment_id(place: str | None = None) -> str:
    """Name for a segment: sorts by time, and no two writers anywhere choose the same.

    Parameters
    ----------
    place : str, optional
        A segment whose place in time the new one takes.
    """
    time = place.split("-")[0] if place else f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    return f"{time}-{secrets.token_hex(8)}"


def committed(folder: Path, *, folders: bool = True) -> list[Path]:
    """Committed folders (or files) in a folder, sorted by name; empty if there is no such folder.

    Whatever has a name that a store does not give is no part of it: other tools' files, a file
    manager's copies. Links to folders are not followed.

    Raises
    ------
    StoreAccessError
        The system does not let the folder be listed.
    """
    with system_errors(folder):
        try:
            with os.scandir(folder) as entries:
                names = [
                    e.name
                    for e in entries
                    if is_plain(e.name) and e.is_dir(follow_symlinks=False) == folders
                ]
        except FileNotFoundError:
            return []
    return [folder / name for name in sorted(names)]


def encoder_folders(root: Path) -> list[Path]:
    """Folders of the encoders of a store, by name."""
    folders = committed(root / EMBEDDINGS)
    return [folder for folder in folders if _ENCODER.fullmatch(folder.name)]


def segment_folders(encoder: Path) -> list[Path]:
    """Committed segments in an encoder's folder; names that sort first were committed first."""
    return [folder for folder in committed(encoder) if is_segment_id(folder.name)]


def is_segment_id(name: str) -> bool:
    """Whether a name is one that `new_segment_id` gives."""
    return _SEGMENT.fullmatch(name) is not None


def is_unfinished(name: str) -> bool:
    """Whether a name is one this package gives to what is not committed, or on its way out."""
    return _UNFINISHED.fullmatch(name) is not None


def is_object(parts: tuple[str, ...]) -> bool:
    """Whether a path inside a store is one of a segment, a database, a task, ... (or the index)."""
    match parts:
        case ("proteins.lmdb",) | ("share", "index.json"):
            return True
        case ("embeddings", encoder, segment):
            return _ENCODER.fullmatch(encoder) is not None and is_segment_id(segment)
        case ("tokens" | "tasks" | "alphabets" as folder, name):
            return name.endswith(_SUFFIXES[folder]) and is_plain(name)
    return False


def holds_proteins(database: Path) -> bool:
    """Whether a database of a store is the one of its proteins, whatever a source is called."""
    of_source = database.parent.name == TOKENS and (database.parent.parent / EMBEDDINGS).is_dir()
    return database.name == PROTEINS and not of_source


def documents(folder: Path, suffix: str) -> list[Path]:
    """Files of a store in one of its folders: databases, tasks, alphabets."""
    return [file for file in committed(folder, folders=False) if file.suffix == suffix]


def is_plain(name: str) -> bool:
    """Whether a name is one a store gives, and no stray's."""
    return not is_stray(name) and _PLAIN.fullmatch(name) is not None


def group_metadata(attributes: dict[str, Any]) -> bytes:
    """``zarr.json`` of a group, with the hash of its attributes among them."""
    body = {key: value for key, value in attributes.items() if key != "sha256"}
    seal = sha256(canonical_json(body).encode()).hexdigest()
    return document(
        {
            "attributes": {"sesstore": {**body, "sha256": seal}},
            "node_type": "group",
            "zarr_format": 3,
        }
    )


def read_group(path: Path) -> dict[str, Any]:
    """Attributes of a group this package wrote.

    Parameters
    ----------
    path : path
        The ``zarr.json``.

    Raises
    ------
    CorruptStoreError
        Any byte differs from what `group_metadata` wrote.
    FileNotFoundError
        There is no such file.
    StoreAccessError
        The system does not let it be read.
    """
    with system_errors(path):
        raw = path.read_bytes()
    return parse_group(raw, str(path))


def parse_group(raw: bytes, source: str) -> dict[str, Any]:
    """Attributes from the bytes of a group's ``zarr.json``; raises `CorruptStoreError`."""
    try:
        attributes = parse(raw)["attributes"]["sesstore"]
        intact = group_metadata(attributes) == raw
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise CorruptStoreError(f"{source} is not what was written. Run `sesstore verify`")
    return {key: value for key, value in attributes.items() if key != "sha256"}


def array_metadata(shape: tuple[int, ...], dtype: str) -> bytes:
    """``zarr.json`` of an array that is one uncompressed chunk."""
    codec: dict[str, Any] = {"name": "bytes"}
    if dtype not in ("uint8", "int8"):
        codec["configuration"] = {"endian": "little"}
    return document(_array(shape, dtype, shape, [codec]))


def sharded_metadata(shape: tuple[int, int], dtype: str, shard_rows: int, chunk_rows: int) -> bytes:
    """``zarr.json`` of a sharded, uncompressed [N, d] array."""
    codec: dict[str, Any] = {"name": "bytes"}
    if dtype != "int8":
        codec["configuration"] = {"endian": "little"}
    sharding = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [chunk_rows, shape[1]],
            "codecs": [codec],
            "index_codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
            "index_location": "end",
        },
    }
    return document(_array(shape, dtype, (shard_rows, shape[1]), [sharding]))


def _array(
    shape: tuple[int, ...], dtype: str, chunk: tuple[int, ...], codecs: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "attributes": {},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "codecs": codecs,
        "data_type": dtype,
        "fill_value": 0 if "int" in dtype else 0.0,
        "node_type": "array",
        "shape": list(shape),
        "zarr_format": 3,
    }


def document(value: dict[str, Any]) -> bytes:
    """JSON bytes of a metadata document."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"


def parse(raw: bytes) -> Any:
    """Inverse of `document`."""
    return json.loads(raw)


def shard_rows(dim: int, itemsize: int) -> int:
    """Rows of one shard: about 128 MiB, whole inner chunks, a whole number of memory pages."""
    row = dim * itemsize
    step = CHUNK_ROWS
    while step * row % PAGE:
        step += CHUNK_ROWS
    return max(1, SHARD_BYTES // (step * row)) * step


def make_group(folder: Path, attributes: dict[str, Any]) -> None:
    """Make a group folder in one atomic step; fine if somebody else made it first."""
    if (folder / METADATA).is_file():
        return
    beside, handle = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}"), -1
    try:
        with system_errors(folder):
            make_folder(folder.parent)
            handle = new_folder(beside)
            write_file(beside / METADATA, group_metadata(attributes))
            fsync(beside)
            try:
                os.rename(beside, folder)
            except OSError:
                if not folder.is_dir():
                    raise
                if not (folder / METADATA).is_file():  # a folder of other making, such as mkdir's
                    replace_file(folder / METADATA, group_metadata(attributes))
            fsync(folder.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if handle >= 0:
            os.close(handle)


def check_format(attributes: dict[str, Any], path: Path) -> None:
    """Raise `StoreFormatError` unless this version reads stores with these root attributes."""
    if attributes.get("format") != FORMAT:
        raise StoreFormatError(
            f"{path} is a store of format {attributes.get('format')}; this version reads format "
            f"{FORMAT}. Install a newer sesstore to read it"
        )
