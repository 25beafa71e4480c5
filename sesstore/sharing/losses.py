"""What is lost with the broken parts of a published store: counted before and after a repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ..errors import CorruptStoreError, NotStoredError
from .index import BundleEntry, Index
from .reading import Reader

_T = TypeVar("_T")


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
                self._digests[folder, name] = _if_readable(read)
        for sha, bundle in faulty.bundles.items():
            self._identities[sha] = _if_readable(partial(_identities, reader, sha, bundle))

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
        for sha, bundle in self._faulty.bundles.items():
            if sha in final.bundles:
                continue
            remainder = self._identities[sha]
            for other, entry in final.of_kind(bundle.kind):
                if remainder and entry.name == bundle.name:
                    remainder = remainder - _identities(self._reader, other, entry)
            label = f"tokens of {bundle.name}" if bundle.name else bundle.kind
            lost[label] += bundle.records if remainder is None else len(remainder)
        return {name: count for name, count in lost.items() if count}


def _digests(reader: Reader, index: Index, folder: str, name: str) -> set[bytes]:
    return {row.tobytes() for row in reader.digests(index, folder, name)}


def _identities(reader: Reader, sha: str, bundle: BundleEntry) -> set[bytes]:
    return reader.footer(sha, bundle).identities()


def _if_readable(read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except (CorruptStoreError, NotStoredError):
        return None
