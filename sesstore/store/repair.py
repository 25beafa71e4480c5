"""Bring a damaged store back into a sound state, and list what has to be made again.

Nothing is deleted: what is broken moves to ``set-aside/`` inside the store. Whole segments are set
aside (their other proteins too: one wrong byte says nothing about the next), LMDB files are rebuilt
from their sound records, and moved only when the new one is whole and on disk. A step that fails
leaves its part as it was and is reported. What the system does not let be read is not judged: then
nothing is changed. Repair while nobody writes.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import lmdb

from ..durable_files import fsync
from ..errors import CorruptStoreError, SesstoreError, StoreAccessError, StoreError
from ..progress import SILENT, Progress
from ..provenance import Provenance, circumstances
from . import layout
from .access import is_refusal, is_there, refusal, system_errors
from .atomic_files import replace_file, unsealed
from .database import open_database
from .embeddings import Embeddings
from .integrity import verify
from .lmdb_salvage import Salvage
from .lmdb_seals import file_crc, seal_path
from .manifest import counts_of, drop_broken, has_entry, renew, strike
from .presence import objects
from .rebuild import named_without_sequence, rebuild
from .segments import Segment
from .task_files import read_task
from .verify_report import Fault


@dataclass
class RepairReport:
    """What `repair` did.

    Parameters
    ----------
    set_aside : list of str
        What was moved to ``set-aside/``: segments, databases, tasks.
    rebuilt : list of str
        Metadata files and databases that were written anew from what is sound.
    embed_again : dict of str to list of str
        For each encoder (name and fingerprint) the digests (hexadecimal) that have no embedding any
        more.
    unlisted : list of str
        Segments that no longer say which proteins they held; ``sesstore embed`` finds what lacks.
    tokens_lost, sequences_lost : dict of str to list of str, list of str
        Digests whose tokens (by source) or sequences have to be added again.
    ids_lost : list of str
        Digests of sequences that are there, but whose ids are not: they are called by their digest.
    origins_lost : dict of str to list of str
        By source, digests whose tokens are there, but not what made them.
    tasks_lost : list of str
        Tasks to be added again.
    alphabets_lost : list of str
        Alphabets to be declared again; the tokens in them are there.
    unnamed : dict of str to int or None
        For each database how many more proteins it claimed to hold than can be named; None where it
        no longer says how many.
    failed : list of str
        What could not be set right, and why; it stays where it is, as it was.
    """

    set_aside: list[str] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)
    embed_again: dict[str, list[str]] = field(default_factory=dict)
    unlisted: list[str] = field(default_factory=list)
    tokens_lost: dict[str, list[str]] = field(default_factory=dict)
    sequences_lost: list[str] = field(default_factory=list)
    ids_lost: list[str] = field(default_factory=list)
    origins_lost: dict[str, list[str]] = field(default_factory=dict)
    tasks_lost: list[str] = field(default_factory=list)
    alphabets_lost: list[str] = field(default_factory=list)
    unnamed: dict[str, int | None] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @property
    def lost(self) -> bool:
        """Whether anything has to be made again."""
        kinds = (self.embed_again, self.unlisted, self.tokens_lost, self.sequences_lost)
        labels = (self.ids_lost, self.origins_lost)
        return any((*kinds, *labels, self.tasks_lost, self.alphabets_lost, self.unnamed))

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def repair(path: Path | str, *, progress: Progress = SILENT) -> RepairReport:
    """Verify a store and set right what is wrong.

    Parameters
    ----------
    path : path
        Its folder; it need not open.
    progress : Progress
        Told how the verification goes.

    Returns
    -------
    RepairReport

    Raises
    ------
    MissingFileError
        There is no store there.
    StoreAccessError
        The system did not let everything be read, so not all can be judged; nothing was changed.
    """
    root = Path(path)
    verification = verify(root, progress=progress)
    if verification.unreadable:
        raise _not_judged(verification.unreadable)
    work = _Repair(root)
    places = sorted({fault.where for fault in verification.bad}, key=_order)
    for place in places:
        work.treat(root / place)
    work.list_missing()
    work.seal()
    work.enter()
    return work.report


def _not_judged(unreadable: list[Fault]) -> StoreAccessError:
    """Return the error for a store that could not be read as a whole."""
    first, count = unreadable[0], len(unreadable) - 1
    suffix = f" (and {count:,} more, see `sesstore verify`)" if count else ""
    return StoreAccessError(
        f"nothing was changed, because {first.where}{suffix} cannot be judged: {first.what}"
    )


def _order(place: str) -> tuple[bool, bool, str]:
    """The store's own metadata first, other metadata last.

    Without the first no entry of the manifest can be struck; an encoder's are rebuilt from its
    segments, of which those that are broken must be gone by then.
    """
    return place != layout.METADATA, place.endswith(f"/{layout.METADATA}"), place


class _Repair:
    def __init__(self, root: Path) -> None:
        self.root, self.report = root, RepairReport()
        self._lost: dict[Path, list[bytes]] = {}
        self._provenances: dict[Path, Provenance] = {}  # of segments that were set aside

    def treat(self, place: Path) -> None:
        """Set one thing right; if a step fails, what is there stays as it is."""
        try:
            self._treat(place)
        except (SesstoreError, OSError, MemoryError, lmdb.Error) as problem:
            self._fail(place, problem)

    def _fail(self, place: Path, problem: BaseException) -> None:
        message = refusal(place, problem) if is_refusal(problem) else problem
        if not any(line.startswith(f"{self._name(place)}: ") for line in self.report.failed):
            self.report.failed.append(f"{self._name(place)}: {message}")

    def _treat(self, place: Path) -> None:
        if place.is_symlink():
            raise StoreError("it is a link. Put what it leads to in its place")
        if place.name == layout.METADATA:
            self._rebuild_metadata(place)
        elif layout.SHARE in place.relative_to(self.root).parts[:1]:
            strike(place)
            raise StoreError("what was published is not whole. Run `sesstore push` again")
        elif place == self.root / layout.MANIFEST:
            for entry in drop_broken(self.root):
                if not is_there(entry):
                    self._note_gone(entry)
        elif not is_there(place):
            self._note_gone(place)
        elif place.suffix == ".lmdb":
            self._rebuild_database(place)
        elif place.parent.name == layout.ALPHABETS:
            self._quarantine(place)
            self.report.alphabets_lost.append(place.stem)
        elif place.suffix == ".jsonl":
            self._quarantine(place)
            self.report.tasks_lost.append(place.stem)
        elif place.parent.name == layout.EMBEDDINGS:
            pass  # a folder of another name than its encoder: nothing in it is broken
        elif place.is_dir():
            self._set_segment_aside(place)

    def seal(self) -> None:
        """Put back the seals that are missing, as a killed writer leaves a file."""
        files = layout.documents(self.root / layout.TOKENS, ".lmdb")
        for path in (self.root / layout.PROTEINS, *files):
            try:
                database = open_database(path)
                if database is not None:
                    database.seal()
            except (SesstoreError, OSError, MemoryError, lmdb.Error) as problem:
                self._fail(path, problem)

    def enter(self) -> None:
        """Enter in the manifest what it does not name: of older stores, and of killed writers."""
        for place in objects(self.root):
            try:
                if not has_entry(place):
                    renew(place, **_counts(place))
            except (SesstoreError, OSError, MemoryError) as problem:
                self._fail(place, problem)

    def _note_gone(self, place: Path) -> None:
        """Say once what is not there any more; the manifest forgets it."""
        counts = counts_of(place) or {}
        strike(place)
        if place.parent.name == layout.TASKS:
            self.report.tasks_lost.append(place.stem)
        elif place.parent.name == layout.ALPHABETS:
            self.report.alphabets_lost.append(place.stem)
        elif place.suffix == ".lmdb":
            self._note_lost(place, Salvage(0, [], counts.get("records")))
        else:
            self.report.unlisted.append(self._name(place))

    def list_missing(self) -> None:
        """List the proteins of bad segments that no other segment holds."""
        for folder, digests in self._lost.items():
            missing = set(digests)
            with suppress(CorruptStoreError, FileNotFoundError):
                attributes = layout.read_group(folder / layout.METADATA)
                view = Embeddings(folder, Provenance.from_json(attributes["provenance"]))
                are_stored = view.find(digests) >= 0
                missing -= {
                    d for d, is_stored in zip(digests, are_stored, strict=True) if is_stored
                }
            if missing:
                self.report.embed_again[folder.name] = sorted(d.hex() for d in missing)

    def _set_segment_aside(self, path: Path) -> None:
        provenance = self._provenance_of(path)
        if provenance is not None:
            self._provenances[path.parent] = provenance
        digests: list[bytes] = []
        with suppress(CorruptStoreError):
            digests = [row.tobytes() for row in Segment(path).digests]
        listed = bool(digests) and self._listed_rightly(path)
        self._quarantine(path)
        if listed:
            self._lost.setdefault(path.parent, []).extend(digests)
        else:
            self.report.unlisted.append(self._name(path))

    def _listed_rightly(self, path: Path) -> bool:
        """Whether a segment's own list of digests has the sum it was written with."""
        try:
            sums = unsealed((path / layout.CHECKSUMS).read_bytes(), path)["files"]
            return bool(
                f"{file_crc(path / 'digests/c.0.0'):08x}" == sums["digests/c.0.0"]["crc32c"]
            )
        except (CorruptStoreError, FileNotFoundError, NotADirectoryError, KeyError):
            return True  # the sums are what is broken; a wrong digest would only be asked for

    def _rebuild_metadata(self, path: Path) -> None:
        if path.parent == self.root:
            origin = circumstances()
            attributes = {
                "format": layout.FORMAT,
                "kind": "store",
                "made": origin,
                "repaired": True,
            }
        elif path.parent.name == layout.EMBEDDINGS:
            attributes = {"kind": "embeddings"}
        else:
            provenance = self._provenance_from_segments(path.parent)
            if provenance is None:
                for segment in layout.segment_folders(path.parent):
                    self._set_segment_aside(segment)
                self._quarantine(path.parent)
                return
            attributes = {"kind": "encoder", "provenance": provenance.to_json()}
        replace_file(path, layout.group_metadata(attributes))
        self.report.rebuilt.append(self._name(path))

    def _provenance_from_segments(self, folder: Path) -> Provenance | None:
        for segment in layout.segment_folders(folder):
            provenance = self._provenance_of(segment)
            if provenance is not None:
                return provenance
        return self._provenances.get(folder)

    def _provenance_of(self, segment: Path) -> Provenance | None:
        """What a segment says its encoder is, if that fits the folder it lies in."""
        with suppress(CorruptStoreError, KeyError):
            provenance = Provenance.from_json(Segment(segment).attributes["provenance"])
            if layout.encoder_folder(provenance) == segment.parent.name:
                return provenance
        return None

    def _rebuild_database(self, path: Path) -> None:
        entry = counts_of(path) or {}
        saved = rebuild(path, self._aside(path))
        self.report.set_aside.append(self._name(path))
        self.report.rebuilt.append(self._name(path))
        counts = [n for n in (saved.entries, entry.get("records")) if n is not None]
        self._note_lost(path, replace(saved, entries=max(counts, default=None)))

    def _note_lost(self, path: Path, saved: Salvage) -> None:
        """List what was lost, counted against what the file claims to hold."""
        lost = list(saved.lost)
        holds_proteins = layout.holds_proteins(path)
        if holds_proteins:
            if saved.entries != saved.proteins:
                lost = sorted({*lost, *named_without_sequence(self.root)})
            self.report.sequences_lost += lost
            self.report.ids_lost += saved.nameless
        elif saved.nameless:
            self.report.origins_lost[path.stem] = saved.nameless
        unnamed = None if saved.entries is None else saved.entries - saved.proteins - len(lost)
        if unnamed is None or unnamed > 0:
            self.report.unnamed[self._name(path)] = unnamed
        if not holds_proteins and (lost or self._name(path) in self.report.unnamed):
            self.report.tokens_lost[path.stem] = lost

    def _quarantine(self, path: Path) -> None:
        with system_errors(path):
            strike(path)
            os.rename(path, self._aside(path))
            for scratch in (Path(f"{path}-lock"), seal_path(path)):
                scratch.unlink(missing_ok=True)
            fsync(path.parent)
            fsync(self.root / layout.SET_ASIDE)
        self.report.set_aside.append(self._name(path))

    def _aside(self, path: Path) -> Path:
        """Where something goes that is set aside."""
        (self.root / layout.SET_ASIDE).mkdir(exist_ok=True)
        name = f"{self._name(path).replace('/', '--')}-{secrets.token_hex(3)}"
        return self.root / layout.SET_ASIDE / name

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.root))


def _counts(place: Path) -> dict[str, int]:
    """What an object holds, for its entry."""
    if place.suffix == ".jsonl":
        return {"rows": sum(map(len, read_task(place).splits.values()))}
    if not place.is_dir():
        return {}
    attributes = Segment(place).attributes
    return {"proteins": attributes["proteins"], "residues": attributes["residues"]}
