"""Bring a damaged store back into a sound state, and list what has to be made again.

Nothing is deleted: what is broken moves to ``set-aside/`` inside the store. Whole segments are set
aside (their other proteins too: one wrong byte says nothing about the next), LMDB files are rebuilt
from their sound records. Repair while nobody writes.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SesstoreError, StoreAccessError
from ..files import fsync
from ..progress import SILENT, Progress
from ..provenance import Provenance, circumstances
from . import layout
from .database import open_database
from .embeddings import Embeddings
from .files import replace_file, saying_when_full, unsealed
from .integrity import Fault, verify
from .seals import file_crc, seal_path
from .segments import Segment


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
    tasks_lost : list of str
        Tasks to be added again.
    alphabets_lost : list of str
        Alphabets to be declared again; the tokens in them are there.
    """

    set_aside: list[str] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)
    embed_again: dict[str, list[str]] = field(default_factory=dict)
    unlisted: list[str] = field(default_factory=list)
    tokens_lost: dict[str, list[str]] = field(default_factory=dict)
    sequences_lost: list[str] = field(default_factory=list)
    tasks_lost: list[str] = field(default_factory=list)
    alphabets_lost: list[str] = field(default_factory=list)

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
    StorageFullError
        No space left to rebuild a database; the broken one is still there.
    """
    root = Path(path)
    found = verify(root, progress=progress)
    if found.unreadable:
        raise _not_judged(found.unreadable)
    work = _Repair(root)
    places = sorted({fault.where for fault in found.bad}, key=_order)
    for place in places:
        work.treat(root / place)
    work.list_missing()
    for database in (root / layout.PROTEINS, *layout.documents(root / layout.TOKENS, ".lmdb")):
        if database.exists() and not seal_path(database).exists():
            opened = open_database(database)
            if opened:
                opened.seal()
    return work.report


def _not_judged(unreadable: list[Fault]) -> StoreAccessError:
    """Return the error for a store that could not be read as a whole."""
    first, more = unreadable[0], len(unreadable) - 1
    others = f" (and {more:,} more, see `sesstore verify`)" if more else ""
    return StoreAccessError(
        f"nothing was changed, because {first.where}{others} cannot be judged: {first.what}"
    )


def _order(place: str) -> tuple[int, str]:
    """Segments before the metadata of their encoder, which are rebuilt from them."""
    return -place.count("/"), place


class _Repair:
    def __init__(self, root: Path) -> None:
        self.root, self.report = root, RepairReport()
        self._lost: dict[Path, list[bytes]] = {}
        self._provenances: dict[Path, Provenance] = {}  # of segments that were set aside

    def treat(self, place: Path) -> None:
        """Set one thing right."""
        if place.name == layout.METADATA:
            self._rebuild_metadata(place)
        elif place.suffix == ".lmdb":
            self._rebuild_database(place)
        elif place.parent.name == layout.ALPHABETS:
            self.report.alphabets_lost.append(place.stem)
            self._set_aside(place)
        elif place.suffix == ".jsonl":
            self.report.tasks_lost.append(place.stem)
            self._set_aside(place)
        elif place.parent.name == layout.EMBEDDINGS:
            pass  # a folder of another name than its encoder: nothing in it is broken
        elif place.is_dir():
            self._set_segment_aside(place)

    def list_missing(self) -> None:
        """List the proteins of bad segments that no other segment holds."""
        for folder, digests in self._lost.items():
            missing = set(digests)
            if folder.is_dir():
                attributes = layout.read_group(folder / layout.METADATA)
                view = Embeddings(folder, Provenance.from_json(attributes["provenance"]))
                there = view.find(digests) >= 0
                missing -= {d for d, stands in zip(digests, there, strict=True) if stands}
            if missing:
                self.report.embed_again[folder.name] = sorted(d.hex() for d in missing)

    def _set_segment_aside(self, path: Path) -> None:
        provenance = self._provenance_of(path)
        if provenance is not None:
            self._provenances[path.parent] = provenance
        digests: list[bytes] = []
        with suppress(SesstoreError):
            digests = [row.tobytes() for row in Segment(path).digests]
        if digests and self._listed_rightly(path):
            self._lost.setdefault(path.parent, []).extend(digests)
        else:
            self.report.unlisted.append(self._name(path))
        self._set_aside(path)

    def _listed_rightly(self, path: Path) -> bool:
        """Whether a segment's own list of digests has the sum it was written with."""
        try:
            sums = unsealed((path / layout.CHECKSUMS).read_bytes(), path)["files"]
            return bool(
                f"{file_crc(path / 'digests/c.0.0'):08x}" == sums["digests/c.0.0"]["crc32c"]
            )
        except (SesstoreError, OSError, KeyError):
            return True  # the sums are what is broken; a wrong digest would only be asked for

    def _rebuild_metadata(self, path: Path) -> None:
        if path.parent == self.root:
            made = circumstances()
            attributes = {"format": layout.FORMAT, "kind": "store", "made": made, "repaired": True}
        elif path.parent.name == layout.EMBEDDINGS:
            attributes = {"kind": "embeddings"}
        else:
            provenance = self._provenance_from_segments(path.parent)
            if provenance is None:
                self._set_aside(path.parent)
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
        with suppress(SesstoreError, KeyError):
            provenance = Provenance.from_json(Segment(segment).attributes["provenance"])
            if layout.encoder_folder(provenance) == segment.parent.name:
                return provenance
        return None

    def _rebuild_database(self, path: Path) -> None:
        beside = path.with_name(f".{secrets.token_hex(6)}.{path.name}")
        command = [sys.executable, "-m", "sesstore.store.salvage", str(path), str(beside)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        saved = json.loads(done.stdout) if done.returncode == 0 else {"lost": []}
        if path.name == layout.PROTEINS:
            self.report.sequences_lost += saved["lost"]
        elif saved["lost"] or done.returncode:
            self.report.tokens_lost[path.name.removesuffix(".lmdb")] = saved["lost"]
        self._set_aside(path)
        if done.returncode == 0 and beside.exists():
            with saying_when_full(path):
                os.rename(beside, path)
                fsync(path.parent)
            self.report.rebuilt.append(self._name(path))
        for left in (beside, Path(f"{beside}-lock"), seal_path(beside)):
            left.unlink(missing_ok=True)

    def _set_aside(self, path: Path) -> None:
        name = f"{self._name(path).replace('/', '--')}-{secrets.token_hex(3)}"
        (self.root / layout.SET_ASIDE).mkdir(exist_ok=True)
        os.rename(path, self.root / layout.SET_ASIDE / name)
        for scratch in (Path(f"{path}-lock"), seal_path(path)):
            scratch.unlink(missing_ok=True)
        fsync(path.parent)
        fsync(self.root / layout.SET_ASIDE)
        self.report.set_aside.append(self._name(path))

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.root))
