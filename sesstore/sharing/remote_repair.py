"""Repair a published store in object storage: what its index names is there and sound afterwards.

What is missing, or is not what the index says, is named no longer, so that the rest can be read and
pushed to again; it is sent again from a store that has it, where one is given. Of a bundle that is
damaged the sound records are kept. Nothing is deleted: damaged objects and the index as it was move
to ``share/set-aside/``. What cannot be reached is an error and is not judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import CorruptStoreError, NotStoredError, StoreError
from ..progress import SILENT, Progress
from ..store import Store, layout
from . import share_paths
from .bundle_records import Record
from .bundles import Footer, sum_of, write_bundles
from .cleanup import SET_ASIDE
from .commits import published_index
from .fetch import Reader
from .object_storage import BucketRemote
from .push import PushReport, publish
from .remote_check import Part, RemoteCheck, parts_of
from .share_index import BundleEntry, EncoderEntry, Index
from .temporary_folders import scratch_folder
from .uploads import claim_encoder

_ATTEMPTS = 10
_T = TypeVar("_T")


@dataclass
class RemoteRepairReport:
    """What a repair of a published store did.

    Parameters
    ----------
    url : str
        The store.
    checked : int
        Segments, bundles and tasks that were looked at.
    faults : dict of str to str
        What was wrong, by what it was wrong with.
    rebuilt : list of str
        Objects that were made anew from others.
    sent : PushReport, optional
        What was sent again.
    embeddings_lost : dict of str to int
        Proteins to be embedded again, by encoder.
    records_lost : dict of str to int
        Sequences, ids and tokens to be added again, by what they are.
    tasks_lost : list of str
    """

    url: str
    checked: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    rebuilt: list[str] = field(default_factory=list)
    sent: PushReport | None = None
    embeddings_lost: dict[str, int] = field(default_factory=dict)
    records_lost: dict[str, int] = field(default_factory=dict)
    tasks_lost: list[str] = field(default_factory=list)

    @property
    def lost(self) -> bool:
        """Whether anything has to be made again."""
        return bool(self.embeddings_lost or self.records_lost or self.tasks_lost)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {**asdict(self), "lost": self.lost}


def repair_remote(
    url: str, source: Store | None = None, *, quick: bool = False, progress: Progress = SILENT
) -> RemoteRepairReport:
    """Check a published store and set right what is wrong.

    Parameters
    ----------
    url : str
        URL of the store (``s3://``, ``gs://``, ``az://``).
    source : Store, optional
        What this store has and the other lacks is sent there.
    quick : bool
        Look at the sizes of all objects only; else every byte is fetched.
    progress : Progress
        Told about parts and bytes.

    Returns
    -------
    RemoteRepairReport

    Raises
    ------
    NotStoredError
        There is no published store.
    CorruptStoreError
        Its index or a commit record is damaged.
    InputError
        It can only be read.
    StoreError
        It cannot be reached, or others keep writing to it.
    """
    target = BucketRemote(url)
    report = RemoteRepairReport(target.url)
    index = Reader(target).index()
    with scratch_folder("repair") as folder:
        check = RemoteCheck(target, index, folder, quick=quick)
        faults = dict(check.faults(progress))
        report.checked = len(parts_of(index))
        report.faults = {str(part): problem for part, problem in faults.items()}
        _write_sums(check, faults, folder, report)
        faulty = _entries_of(index, faults)
        losses = Inventory(check.reader, index, faulty)
        if faults:
            salvaged = {sha: _salvage(check, sha, folder) for sha in faulty.bundles}
            _replace(target, index, faulty, salvaged)
            _move_faulty(check, faults)
    for encoder in index.encoders.values():
        claim_encoder(target, encoder.provenance)  # writes the metadata of groups that are missing
    if source is not None:
        report.sent = publish(source, target, progress=progress)
    final_index = published_index(target)
    report.embeddings_lost = losses.embeddings(final_index)
    report.records_lost = losses.records(final_index)
    report.tasks_lost = [name for name in faulty.tasks if name not in final_index.tasks]
    return report


def _write_sums(
    check: RemoteCheck, faults: dict[Part, str], folder: Path, report: RemoteRepairReport
) -> None:
    """Write anew the sums that sound segments lack."""
    faulty = {(part.folder, part.name) for part in faults}
    for part in parts_of(check.index):
        if part.kind != "segment" or (part.folder, part.name) in faulty:
            continue
        sums = check.wrong_sums(part)
        if sums is not None:
            (folder / "sums").write_bytes(sums)
            check.target.put(share_paths.sums_path(part.name), folder / "sums")
            report.rebuilt.append(share_paths.sums_path(part.name))


def _entries_of(index: Index, faults: dict[Part, str]) -> Index:
    """Entries of an index for some parts."""
    faulty = Index()
    for part in faults:
        if part.kind == "segment":
            encoder = index.encoders[part.folder]
            entry = faulty.encoders.setdefault(part.folder, EncoderEntry(encoder.provenance))
            entry.segments[part.name] = encoder.segments[part.name]
        elif part.kind == "bundle":
            faulty.bundles[part.name] = index.bundles[part.name]
        else:
            faulty.tasks[part.name] = index.tasks[part.name]
    return faulty


def _salvage(check: RemoteCheck, sha: str, folder: Path) -> dict[str, BundleEntry]:
    """Put the sound records of a bundle into new ones, if its footer is sound; send those."""
    bundle = check.index.bundles[sha]
    try:
        footer = check.reader.footer(sha, bundle)
    except (CorruptStoreError, NotStoredError):
        return {}
    records = _sound_records(check.reader, sha, bundle, footer)
    bundles = {}
    for name, entry, path in write_bundles(
        folder, bundle.kind, bundle.name, records, footer.makers
    ):
        check.target.put(share_paths.bundle_path(name), path)
        bundles[name] = entry
    return bundles


def _sound_records(
    reader: Reader, sha: str, bundle: BundleEntry, footer: Footer
) -> Iterator[Record]:
    starts = np.concatenate([[0], footer.ends[:-1]])
    for row, (start, stop) in enumerate(zip(starts.tolist(), footer.ends.tolist(), strict=True)):
        with suppress(NotStoredError):
            data = reader.read(share_paths.bundle_path(sha), start, stop, bundle.bytes)
            if sum_of(data) == footer.sums[row].tobytes():
                yield Record(footer.digests[row].tobytes(), data, int(footer.keys[row]))


def _replace(
    target: BucketRemote, index: Index, faulty: Index, salvaged: dict[str, dict[str, BundleEntry]]
) -> None:
    """Name no longer what is broken; commit records that name it are taken in, too."""
    backup = f"{SET_ASIDE}/{layout.new_segment_id()}/{share_paths.INDEX}"
    target.create(backup, index.to_bytes())
    for _ in range(_ATTEMPTS):
        records = target.commits()
        _, version = target.version()
        sound = _remove_entries(Reader(target).index(), faulty, salvaged)
        if target.replace_index(sound.to_bytes(), version):
            target.remove(share_paths.commit_path(name) for name in records)
            return
    raise StoreError(f"others keep writing to {target.url}. Repair it while nobody does")


def _remove_entries(
    index: Index, faulty: Index, salvaged: dict[str, dict[str, BundleEntry]]
) -> Index:
    for folder, encoder in faulty.encoders.items():
        for name in encoder.segments:
            index.encoders[folder].segments.pop(name, None)
    bundles = {}  # salvaged ones in the place of theirs: of two records the later counts
    for sha, bundle in index.bundles.items():
        bundles.update(salvaged.get(sha, {sha: bundle}))
    index.bundles = bundles
    for name, task in faulty.tasks.items():
        if index.tasks.get(name) == task:
            del index.tasks[name]
    return index


def _move_faulty(check: RemoteCheck, faults: dict[Part, str]) -> None:
    """Move what is there of broken parts, so that it is not taken for sound when sent again."""
    place = f"{SET_ASIDE}/{layout.new_segment_id()}"
    target = check.target
    for part in faults:
        sums = [share_paths.sums_path(part.name)] if part.kind == "segment" else []
        for path in (*part.files, *sums):
            if path in check.sizes and isinstance(target, BucketRemote):
                target.move(path, f"{place}/{path}")


class Inventory:
    """What the broken parts held, as far as that can still be read.

    Parameters
    ----------
    reader : Reader
        The store.
    index, faulty : Index
        What it named, and which of that is broken.
    """

    def __init__(self, reader: Reader, index: Index, faulty: Index) -> None:
        self._reader, self._faulty = reader, faulty
        self._digests: dict[tuple[str, str], set[bytes] | None] = {}
        self._identities: dict[str, set[bytes] | None] = {}
        for folder, encoder in faulty.encoders.items():
            for name in encoder.segments:
                read = partial(_digests, reader, index, folder, name)
                self._digests[folder, name] = _try_reading(read)
        for sha, bundle in faulty.bundles.items():
            self._identities[sha] = _try_reading(partial(_identities, reader, sha, bundle))

    def embeddings(self, final: Index) -> dict[str, int]:
        """Proteins whose embeddings no segment has now, by encoder.

        A segment whose digests cannot be read counts in full.
        """
        lost: Counter[str] = Counter()
        for folder, encoder in self._faulty.encoders.items():
            segments = final.encoders[folder].segments if folder in final.encoders else {}
            absent = [name for name in encoder.segments if name not in segments]
            listed = [digests for n in absent if (digests := self._digests[folder, n]) is not None]
            unlisted = [n for n in absent if self._digests[folder, n] is None]
            remainder = set[bytes]().union(*listed)
            for name in segments if remainder else ():
                remainder -= _digests(self._reader, final, folder, name)
            count = len(remainder) + sum(encoder.segments[n].proteins for n in unlisted)
            lost[encoder.provenance.fingerprint.encoder] += count
        return {name: count for name, count in lost.items() if count}

    def records(self, final: Index) -> dict[str, int]:
        """Records that no bundle has now, by what they are; those of unread bundles in full."""
        lost: Counter[str] = Counter()
        for faulty_sha, bundle in self._faulty.bundles.items():
            if faulty_sha in final.bundles:
                continue
            remainder = self._identities[faulty_sha]
            for sha, entry in final.of_kind(bundle.kind):
                if remainder and entry.name == bundle.name:
                    remainder = remainder - _identities(self._reader, sha, entry)
            label = f"tokens of {bundle.name}" if bundle.name else bundle.kind
            lost[label] += bundle.records if remainder is None else len(remainder)
        return {label: count for label, count in lost.items() if count}


def _digests(reader: Reader, index: Index, folder: str, name: str) -> set[bytes]:
    return {row.tobytes() for row in reader.digests(index, folder, name)}


def _identities(reader: Reader, sha: str, bundle: BundleEntry) -> set[bytes]:
    return reader.footer(sha, bundle).identities()


def _try_reading(read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except (CorruptStoreError, NotStoredError):
        return None
