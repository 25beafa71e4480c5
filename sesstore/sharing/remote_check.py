"""Whether what the index of a published store names is there, and is what the index says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ..errors import CorruptStoreError, NotStoredError
from ..progress import SILENT, Progress
from ..store import layout
from . import share_paths
from .fetch import Reader, fetch_segment
from .places import Target
from .publication import sums_of_segment
from .share_index import Index

_FILES_AT_ONCE = 8
_SUM_BYTES = 16


@dataclass(frozen=True, eq=False)
class Part:
    """A segment, a bundle or a task that an index names.

    Parameters
    ----------
    kind : str
        ``"segment"``, ``"bundle"`` or ``"task"``.
    folder, name : str
        Folder of a segment's encoder (else empty); id, SHA-256 or name.
    files : dict of str to int
        Size of each of its objects, by path; a segment's sums not among them.
    """

    kind: str
    folder: str
    name: str
    files: Mapping[str, int]

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.folder}/{self.name}" if self.folder else f"{self.kind} {self.name}"
        )


def parts_of(index: Index) -> list[Part]:
    """Everything an index names."""
    parts = [
        Part(
            "segment",
            folder,
            name,
            {share_paths.segment_path(folder, name, f): e.bytes for f, e in s.files.items()},
        )
        for folder, encoder in index.encoders.items()
        for name, s in encoder.segments.items()
    ]
    parts += [
        Part("bundle", "", sha, {share_paths.bundle_path(sha): b.bytes})
        for sha, b in index.bundles.items()
    ]
    return parts + [
        Part("task", "", name, {share_paths.task_path(t.sha256): t.bytes})
        for name, t in index.tasks.items()
    ]


class RemoteCheck:
    """One look at a published store.

    Parameters
    ----------
    target : Target
        The store.
    index : Index
        What it names.
    folder : path
        Where segments are fetched to, one at a time.
    quick : bool
        Look at the sizes of all objects only; else every byte is fetched.
    """

    def __init__(self, target: Target, index: Index, folder: Path, *, quick: bool) -> None:
        self.target, self.index = target, index
        self.reader = Reader(target)
        self.sizes = {
            file.path: file.bytes
            for top in (layout.EMBEDDINGS, layout.SHARE)
            for file in target.listing(top)
        }
        self._folder, self._quick = folder, quick

    def faults(self, progress: Progress = SILENT) -> Iterator[tuple[Part, str]]:
        """Yield the parts that are not as the index says, and why.

        Raises
        ------
        StoreError
            Something cannot be reached; that says nothing about it.
        """
        parts = parts_of(self.index)
        with progress.stage("checking", len(parts), "parts") as bar:
            for part in parts:
                if problem := self._problem(part):
                    yield part, problem
                bar.advance(1)

    def wrong_sums(self, part: Part) -> bytes | None:
        """Sums of a sound segment, if those that are published are others or are missing."""
        path = share_paths.sums_path(part.name)
        proteins = self.index.encoders[part.folder].segments[part.name].proteins
        if self._quick and self.sizes.get(path) == _SUM_BYTES * proteins:
            return None
        sums = self._check_segment(part)
        try:
            return None if self.reader.read_all(path, len(sums)) == sums else sums
        except (NotStoredError, CorruptStoreError):
            return sums

    def _problem(self, part: Part) -> str | None:
        for path, size in part.files.items():
            if path not in self.sizes:
                return f"{path} is missing"
            if self.sizes[path] != size:
                return f"{path} has {self.sizes[path]:,} bytes instead of {size:,}"
        if self._quick:
            return None
        try:
            if part.kind == "segment":
                self._check_segment(part)
            else:
                self._hash(part)
        except NotStoredError as problem:
            return str(problem)
        except CorruptStoreError:
            return "it is not what was written"
        return None

    def _hash(self, part: Part) -> None:
        for path in part.files:
            total = sha256()
            for piece in self.reader.stream(path):
                total.update(piece)
            if total.hexdigest() != path.rsplit("/", 1)[1]:
                raise CorruptStoreError(f"{path} is not what was written")

    def _check_segment(self, part: Part) -> bytes:
        """Fetch a segment, check it as on arrival, drop it; return what its sums are."""
        encoder = self.index.encoders[part.folder]
        place = self._folder / part.name
        try:
            with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
                fetch_segment(
                    self.reader,
                    share_paths.segment_path(part.folder, part.name, "")[:-1],
                    encoder.segments[part.name],
                    place,
                    encoder.provenance,
                    lengths=lambda digests: [-1] * len(digests),
                    pool=pool,
                    advance=lambda _: None,
                )
            return sums_of_segment(place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
            shutil.rmtree(place.with_name(f".pull-{part.name}"), ignore_errors=True)
