"""Verify a store: is every stored byte what was written?

Quick looks at structure: which files there are, their sizes, metadata, digests, offsets. Full also
reads every byte: checksums of files, records of LMDB, finite values, lengths against the sequences.
Nothing is changed; `repair` does that. Not covered: LMDB's lock files (scratch), the card (people
may edit it), what was set aside, and files other tools put there, which are named in the notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CorruptStoreError, MissingFileError, SesstoreError, StoreAccessError
from ..progress import SILENT, Progress
from ..provenance import Provenance
from ..strays import is_stray
from . import layout
from .access import is_there, system_errors
from .alphabet_files import read_stored
from .lmdb_check import RecordCheck, check_apart, check_records, entries
from .lmdb_seals import seal_fits
from .presence import count_unentered, links, missing, older_than_entered, uncommitted
from .protein_table import ProteinTable
from .segment_check import foreign_files, segment_problems
from .segments import Segment
from .share_check import published_problems
from .task_files import read_task
from .verify_report import Fault, VerifyReport

_ROOT = {
    layout.METADATA,
    layout.EMBEDDINGS,
    layout.TOKENS,
    layout.ALPHABETS,
    layout.TASKS,
    layout.SET_ASIDE,
    layout.SHARE,
    layout.MANIFEST,
}


def verify(path: Path | str, *, quick: bool = False, progress: Progress = SILENT) -> VerifyReport:
    """Check a store.

    Parameters
    ----------
    path : path
        Its folder; it need not open.
    quick : bool
        Structure only, without reading the values.
    progress : Progress
        Told about segments, databases and tasks as they are done.

    Returns
    -------
    VerifyReport

    Raises
    ------
    MissingFileError
        There is no store there.
    """
    root = Path(path)
    if not any(is_there(root / name) for name in (layout.METADATA, layout.EMBEDDINGS)):
        raise MissingFileError(f"there is no store at '{root}'. Name one with --store")
    check = _Check(root, quick=quick)
    parts = [*check.metadata(), *check.parts()]
    with progress.stage("verifying", len(parts), "parts") as bar:
        for place, part in parts:
            with check.reading(place):
                part()
            bar.advance()
    with check.reading(root):
        check.note_leftovers()
    return check.report


_Part = tuple[Path, Callable[[], object]]
"""Where something lies, and its check."""


class _Check:
    """One verification: where, how thoroughly, and what was found so far."""

    def __init__(self, root: Path, *, quick: bool) -> None:
        self.root, self.quick = root, quick
        kinds = ("segments", "embeddings", "residues", "proteins", "tokens", "tasks")
        self.report = VerifyReport(dict.fromkeys(kinds, 0))
        self._proteins: ProteinTable | None = None  # known once it was found sound

    @contextmanager
    def reading(self, place: Path) -> Iterator[None]:
        """Note a place as unreadable if the system refuses what the block does."""
        try:
            with system_errors(place):
                yield
        except StoreAccessError as problem:
            name = str(place.relative_to(self.root))
            self.report.unreadable.append(Fault(name, str(problem)))

    def metadata(self) -> Iterator[_Part]:
        """Yield the checks of the groups' metadata."""
        yield self.root, partial(self._group, self.root)
        embeddings = self.root / layout.EMBEDDINGS
        with self.reading(embeddings):
            if is_there(embeddings):
                yield embeddings, partial(self._group, embeddings)

    def parts(self) -> Iterator[_Part]:
        """Yield everything else; proteins first, the rest is compared with them."""
        with self.reading(self.root):
            if is_there(self.root / layout.PROTEINS):
                yield self.root / layout.PROTEINS, self._protein_table
        for folder in self._listed(self.root / layout.EMBEDDINGS, layout.encoder_folders):
            provenance = None
            with self.reading(folder):
                provenance = self._encoder(folder)
            for path in self._listed(folder, layout.segment_folders):
                yield path, partial(self._segment, path, provenance)
        checks: list[tuple[str, str, Callable[[Path], object]]] = [
            (layout.ALPHABETS, ".toml", self._alphabet),
            (layout.TOKENS, ".lmdb", self._tokens),
            (layout.TASKS, ".jsonl", self._task),
        ]
        for name, suffix, check in checks:
            folder = self.root / name
            for path in self._listed(folder, partial(layout.documents, suffix=suffix)):
                yield path, partial(check, path)
        yield self.root, self._presence
        yield self.root / layout.SHARE, self._published

    def _listed(self, folder: Path, listing: Callable[[Path], list[Path]]) -> list[Path]:
        with self.reading(folder):
            return listing(self.root if folder.name == layout.EMBEDDINGS else folder)
        return []

    def note_leftovers(self) -> None:
        """Note what is no part of a store, or not committed."""
        databases = {layout.PROTEINS + end for end in ("", "-lock", ".seal")}
        store_names = _ROOT | databases | {layout.CARD}
        names = sorted(p.name for p in self.root.iterdir() if p.name not in store_names)
        for name in names:
            if not is_stray(name):
                self.report.notes.append(f"{name} is no part of the store")
        hidden = sum(1 for _ in uncommitted(self.root))
        if hidden:
            self.report.notes.append(
                f"{hidden} unfinished files or folders, which `sesstore gc` removes"
            )

    def _blame(self, path: Path, problem: object) -> None:
        self.report.bad.append(Fault(str(path.relative_to(self.root)), str(problem)))

    def _count(self, kind: str, number: int = 1) -> None:
        self.report.checked[kind] += number

    def _group(self, folder: Path) -> dict[str, Any] | None:
        try:
            attributes = layout.read_group(folder / layout.METADATA)
            if folder == self.root:
                layout.check_format(attributes, folder)
        except FileNotFoundError:
            self._blame(folder / layout.METADATA, "it is missing")
        except StoreAccessError:
            raise
        except SesstoreError:
            self._blame(folder / layout.METADATA, "it is not what was written")
        else:
            return attributes
        return None

    def _encoder(self, folder: Path) -> Provenance | None:
        attributes = self._group(folder)
        if attributes is None:
            return None
        provenance = Provenance.from_json(attributes["provenance"])
        if layout.encoder_folder(provenance) != folder.name:
            self._blame(folder, "its name is not that of its encoder")
        return provenance

    def _segment(self, path: Path, provenance: Provenance | None) -> None:
        foreign, proteins, residues = [], 0, 0
        try:
            problems = list(segment_problems(path, provenance, quick=self.quick))
            if not problems:
                segment = Segment(path)
                problems = list(self._length_problems(segment, provenance))
                foreign = foreign_files(path)
                proteins, residues = len(segment.digests), int(segment.offsets[-1])
        except (FileNotFoundError, NotADirectoryError, CorruptStoreError) as problem:
            problems = [f"a file of it went away while it was checked ({problem})"]
        if not is_there(path):  # compacted while we looked
            return
        self._count("segments")
        self._count("embeddings", proteins)
        self._count("residues", residues)
        for fault in problems:
            self._blame(path, fault)
        if foreign:
            name = path.relative_to(self.root)
            self.report.notes.append(f"{name}: {', '.join(foreign)} is no part of the segment")

    def _length_problems(self, segment: Segment, provenance: Provenance | None) -> Iterator[str]:
        """Embeddings that have not one row for each residue of their sequence, or one in all."""
        if self._proteins is None or self.quick or provenance is None:
            return
        lengths = np.asarray(self._proteins.lengths(row.tobytes() for row in segment.digests))
        lengths = provenance.fingerprint.rows(lengths)
        for row in np.flatnonzero((lengths >= 0) & (lengths != np.diff(segment.offsets))):
            digest = segment.digests[row].tobytes().hex()[:12]
            yield f"{digest} has another length than its sequence"

    def _protein_table(self) -> None:
        path = self.root / layout.PROTEINS
        check = self._database(path)
        if check is not None:
            self._count("proteins", check.records)
            if not check.problems:
                self._proteins = ProteinTable(path)

    def _presence(self) -> None:
        """What is gone, or only a link; what could go without being noticed."""
        for place, problem in (*missing(self.root), *links(self.root)):
            self._blame(place, problem)
        is_copy = is_there(self.root / layout.SHARE) and not is_there(self.root / layout.PROTEINS)
        count = 0 if is_copy else count_unentered(self.root)
        if count:
            self.report.notes.append(
                f"{count:,} parts are not in the manifest, so their loss would not be noticed. "
                f"`sesstore repair` enters them"
            )

    def _published(self) -> None:
        for place, problem in published_problems(self.root, quick=self.quick):
            self._blame(place, problem)

    def _alphabet(self, path: Path) -> None:
        self.report.checked["alphabets"] = self.report.checked.get("alphabets", 0) + 1
        try:
            read_stored(path)
        except CorruptStoreError as problem:
            self._blame(path, problem)

    def _tokens(self, path: Path) -> None:
        check = self._database(path)
        if check is None:
            return
        self._count("tokens", check.records)
        if self._proteins is None:
            return
        lengths = self._proteins.lengths(bytes.fromhex(digest) for digest in check.lengths)
        for (digest, length), residues in zip(check.lengths.items(), lengths, strict=True):
            if residues not in (-1, length):
                self._blame(path, f"{digest[:12]}: {length} codes for {residues} residues")
        if strangers := lengths.count(-1):
            name = path.relative_to(self.root)
            self.report.notes.append(
                f"{name}: tokens of {strangers} proteins the store does not know"
            )

    def _database(self, path: Path) -> RecordCheck | None:
        """Seal first; records in this process only if the seal says that the file is whole."""
        try:
            intact = seal_fits(path, quick=self.quick)
            if self.quick:
                check = RecordCheck(records=entries(path))
            else:
                check = check_records(path) if intact else check_apart(path)
                if not check.problems:
                    entries(path)  # it is of the kind that lies there
        except CorruptStoreError as problem:
            self._blame(path, problem)
            return None
        if not intact:
            self.report.notes.append(
                f"{path.relative_to(self.root)} has no seal (somebody writes, or a writer was "
                f"killed). `sesstore repair` puts it back"
            )
        older = older_than_entered(path)
        for fault in (*check.problems, *([older] if older else ())):
            self._blame(path, fault)
        return check

    def _task(self, path: Path) -> None:
        self._count("tasks")
        try:
            task = read_task(path)
        except CorruptStoreError as problem:
            self._blame(path, problem)
            return
        if task.name != path.stem:
            self._blame(path, f"it holds a task called '{task.name}'")
