"""The index of a published store: what there is, with sizes and hashes, in one sealed document.

Everything in it is checked when it is parsed (names, sizes, and that a segment's sizes fit the
shapes it claims), so what comes later can rely on it. Its parts are sets: the union of two indices
is an index, and that is what pushing writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..alphabets import Alphabet
from ..errors import CorruptStoreError, InputError, SesstoreError, StoreError
from ..proteins import DIGEST_BYTES
from ..provenance import Provenance
from ..residues import STORAGE_TYPES
from ..store import layout
from ..store.atomic_files import sealed, unsealed
from ..store.segment_writer import check_same_storage
from . import limits, share_paths
from .share_paths import refusal

FORMAT = 1
KINDS = ("proteins", "ids", "tokens")
_INDEX_ROOM = 1 << 20


@dataclass(frozen=True)
class FileEntry:
    """Size and SHA-256 of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class SegmentEntry:
    """A segment: how much it holds, and its files.

    Parameters
    ----------
    proteins, residues : int
        Counts.
    files : mapping of str to FileEntry
        By path inside the segment.
    """

    proteins: int
    residues: int
    files: Mapping[str, FileEntry]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files.values())


@dataclass(frozen=True)
class BundleEntry:
    """A bundle of records.

    Parameters
    ----------
    kind, name : str
        One of `KINDS`; for tokens the source.
    bytes, footer, records : int
        Sizes of the file and of its footer, and how many records.
    footer_sha256 : str
        Hash of the footer.
    """

    kind: str
    name: str
    bytes: int
    footer: int
    records: int
    footer_sha256: str


@dataclass(frozen=True)
class TaskEntry:
    """A task's file, and how many rows it has."""

    sha256: str
    bytes: int
    rows: int
    problem: str


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder and its segments."""

    provenance: Provenance
    segments: dict[str, SegmentEntry] = field(default_factory=dict)


@dataclass
class Index:
    """What a published store holds.

    Parameters
    ----------
    encoders : dict of str to EncoderEntry
        By folder.
    bundles : dict of str to BundleEntry
        By SHA-256, in the order they were published: of two token records the later counts.
    tasks : dict of str to TaskEntry
        By name.
    alphabets : dict of str to Alphabet
        The declared ones of its tokens, by name.
    """

    encoders: dict[str, EncoderEntry] = field(default_factory=dict)
    bundles: dict[str, BundleEntry] = field(default_factory=dict)
    tasks: dict[str, TaskEntry] = field(default_factory=dict)
    alphabets: dict[str, Alphabet] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Document to be stored; raises `StoreError` if readers would not take it."""
        encoders = {
            folder: {
                "provenance": encoder.provenance.to_json(),
                "segments": {name: asdict(s) for name, s in encoder.segments.items()},
            }
            for folder, encoder in self.encoders.items()
        }
        bundles = [{"sha256": sha, **asdict(bundle)} for sha, bundle in self.bundles.items()]
        tasks = {name: asdict(task) for name, task in self.tasks.items()}
        document = {"sesstore_share": FORMAT, "encoders": encoders, "bundles": bundles}
        document["tasks"] = tasks
        if self.alphabets:
            document["alphabets"] = [alphabet.to_json() for alphabet in self.alphabets.values()]
        raw = sealed(document)
        if len(raw) > limits.INDEX_BYTES:
            raise StoreError(
                f"an index of {len(raw):,} bytes is more than readers take "
                f"({limits.INDEX_BYTES:,}). Run `sesstore compact` and push to a new place"
            )
        return raw

    def add(self, addition: Index) -> list[str]:
        """Take in what another index has; return tasks that differ and stay as they are.

        Raises
        ------
        FingerprintMismatchError
            An encoder is stored in another type or width.
        InputError
            An alphabet has other states.
        """
        for name, alphabet in addition.alphabets.items():
            if not self.alphabets.setdefault(name, alphabet).same_codes(alphabet):
                raise InputError(
                    f"an alphabet '{name}' is shared there with other states. Declare yours under "
                    f"another name, and import its tokens again"
                )
        for folder, encoder in addition.encoders.items():
            entry = self.encoders.setdefault(folder, EncoderEntry(encoder.provenance))
            check_same_storage(entry.provenance, encoder.provenance)
            for name, segment in encoder.segments.items():
                entry.segments.setdefault(name, segment)
        for sha, bundle in addition.bundles.items():
            self.bundles.setdefault(sha, bundle)
        for name, task in addition.tasks.items():
            self.tasks.setdefault(name, task)
        return [name for name, task in addition.tasks.items() if self.tasks[name] != task]

    def check(self, addition: Index) -> None:
        """Raise as `add` does, and take nothing in: before anything is sent."""
        union = Index()
        union.add(self)
        union.add(addition)

    def of_kind(self, kind: str) -> Iterator[tuple[str, BundleEntry]]:
        """Yield the bundles of one kind, in the order they were published."""
        yield from ((sha, bundle) for sha, bundle in self.bundles.items() if bundle.kind == kind)

    def sources(self) -> list[str]:
        """Names of the sources there are tokens from."""
        return sorted({bundle.name for _, bundle in self.of_kind("tokens")})


def parse_index(raw: bytes, place: str) -> Index:
    """Check and read an index.

    Parameters
    ----------
    raw : bytes
        The document.
    place : str
        What errors call it.

    Raises
    ------
    CorruptStoreError
        Anything in it is not as it must be.
    """
    if len(raw) > limits.INDEX_BYTES or limits.too_many_values(raw):
        raise refusal(f"{place} is larger than an index may be")
    try:
        document = unsealed(raw, place)  # type: ignore[arg-type]
        if document["sesstore_share"] != FORMAT:
            raise refusal(
                f"it is shared in format {document['sesstore_share']!r}, this version reads "
                f"{FORMAT} (a newer sesstore may read it)"
            )
        index = Index()
        for folder, value in document["encoders"].items():
            index.encoders[share_paths.encoder_folder(folder)] = _encoder(folder, value)
        for value in document["bundles"]:
            sha = share_paths.sha256_name(value["sha256"])
            index.bundles[sha] = _bundle(value)
        for name, value in document["tasks"].items():
            index.tasks[share_paths.plain_name(name, "task")] = _task(value)
        for value in document.get("alphabets", []):
            alphabet = Alphabet.from_json(value)
            index.alphabets[alphabet.name] = alphabet
    except CorruptStoreError as problem:
        raise CorruptStoreError(f"{place}: {problem}") from None
    except (KeyError, TypeError, ValueError, AttributeError, SesstoreError) as problem:
        raise refusal(f"{place} is no index ({problem!r})") from None
    return index


def _encoder(folder: str, value: dict[str, Any]) -> EncoderEntry:
    provenance = Provenance.from_json(value["provenance"])
    if layout.encoder_folder(provenance) != folder:
        raise refusal(f"folder '{folder}' is not that of its encoder")
    if provenance.dtype not in STORAGE_TYPES or not 0 < share_paths.size(provenance.dim) < 1 << 20:
        raise refusal(f"'{folder}' has values of {provenance.dtype} [.., {provenance.dim}]")
    segments = {
        share_paths.segment_id(name): _segment(name, entry, provenance)
        for name, entry in value["segments"].items()
    }
    return EncoderEntry(provenance, segments)


def _segment(name: str, value: dict[str, Any], provenance: Provenance) -> SegmentEntry:
    files = {
        share_paths.segment_file(file): FileEntry(
            share_paths.size(entry["bytes"]), share_paths.sha256_name(entry["sha256"])
        )
        for file, entry in value["files"].items()
    }
    entry = SegmentEntry(
        share_paths.size(value["proteins"]), share_paths.size(value["residues"]), files
    )
    if problem := _size_problem(entry, provenance):
        raise refusal(f"segment {name} {problem}")
    return entry


def _size_problem(entry: SegmentEntry, provenance: Provenance) -> str | None:
    """What does not fit between the sizes of a segment's files and what it claims to hold."""
    exact = {
        "offsets/c.0": 8 * (entry.proteins + 1),
        "digests/c.0.0": DIGEST_BYTES * entry.proteins,
    }
    if provenance.dtype == "int8":
        exact["scales/c.0"] = 2 * entry.residues
    shards = sorted(f for f in entry.files if f.startswith("values/c."))
    metadata = {layout.METADATA, layout.CHECKSUMS, f"values/{layout.METADATA}"}
    metadata |= {f"{file.split('/')[0]}/{layout.METADATA}" for file in exact}
    if set(entry.files) != {*exact, *shards, *metadata}:
        return "has not the files a segment has"
    if {int(file.split(".")[1]) for file in shards} != set(range(len(shards))):
        return "lacks a shard of its values"
    if not 0 < entry.proteins <= entry.residues:
        return f"says {entry.proteins} proteins have {entry.residues} residues"
    for file, expected in exact.items():
        if entry.files[file].bytes != expected:
            return f"says {file} has {entry.files[file].bytes} bytes, it must have {expected}"
    if any(entry.files[file].bytes > limits.METADATA_BYTES for file in metadata):
        return "has metadata of an impossible size"
    if exact["digests/c.0.0"] > limits.ARRAY_BYTES:
        return f"says it has {entry.proteins:,} proteins, more than a segment may have"
    row = provenance.dim * np.dtype(provenance.dtype).itemsize
    size = sum(entry.files[file].bytes for file in shards)
    minimum = entry.residues * row
    maximum = minimum + layout.CHUNK_ROWS * row * len(shards) + _INDEX_ROOM * len(shards)
    if not (minimum <= size <= maximum) or len(shards) > 1 + minimum // layout.PAGE:
        return f"says {entry.residues} residues take {size} bytes"
    return None


def _bundle(value: dict[str, Any]) -> BundleEntry:
    if value["kind"] not in KINDS:
        raise refusal(f"{value['kind']!r} is no kind of bundle")
    name = value["name"]
    if value["kind"] == "tokens":
        share_paths.plain_name(name, "source")
    elif name != "":
        raise refusal("a bundle has a name it should not have")
    if value["records"] == 0 or value["footer"] == 0:
        raise refusal("an empty bundle")
    return BundleEntry(
        kind=value["kind"],
        name=name,
        bytes=share_paths.size(value["bytes"], limits.BUNDLE_BYTES),
        footer=share_paths.size(value["footer"], min(limits.FOOTER_BYTES, value["bytes"])),
        records=share_paths.size(value["records"], limits.BUNDLE_RECORDS),
        footer_sha256=share_paths.sha256_name(value["footer_sha256"]),
    )


def _task(value: dict[str, Any]) -> TaskEntry:
    problem = value["problem"]
    if not isinstance(problem, str):
        raise refusal("a task has no problem type")
    return TaskEntry(
        share_paths.sha256_name(value["sha256"]),
        share_paths.size(value["bytes"], limits.TASK_BYTES),
        share_paths.size(value["rows"]),
        problem,
    )
