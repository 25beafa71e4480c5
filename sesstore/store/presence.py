"""What of a store is gone, or only a link: what `verify` learns from the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import CorruptStoreError
from . import layout
from .access import is_there
from .alphabet_files import stored_files
from .lmdb_pages import PageFile
from .manifest import Entry, counts_of, entries, is_entered

Finding = tuple[Path, str]
"""Where, and what is wrong with it."""


def objects(root: Path) -> Iterator[Path]:
    """Yield every segment, database, task and alphabet there is."""
    if is_there(root / layout.PROTEINS):
        yield root / layout.PROTEINS
    for folder in layout.encoder_folders(root):
        yield from layout.segment_folders(folder)
    yield from layout.documents(root / layout.TOKENS, ".lmdb")
    yield from layout.documents(root / layout.TASKS, ".jsonl")
    yield from stored_files(root)


def missing(root: Path) -> Iterator[Finding]:
    """Yield what the manifest names and is not there, and entries that are broken."""
    for entry in entries(root):
        if isinstance(entry, CorruptStoreError):
            yield root / layout.MANIFEST, str(entry)
        elif not entry.pending and not is_there(entry.place) and counts_of(entry.place) is not None:
            yield entry.place, f"it is gone{_loss(entry)}"


def links(root: Path) -> Iterator[Finding]:
    """Yield links in the place of segments and encoders: readers do not follow them."""
    folders = [root / layout.EMBEDDINGS, *layout.encoder_folders(root)]
    for folder in folders:
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.is_symlink() and path.is_dir() and layout.is_plain(path.name):
                    yield path, f"it is a link to {path.readlink()}, which no reader follows"


def count_unentered(root: Path) -> int:
    """Return how many objects have no entry: losing one of them would not be noticed."""
    return sum(not is_entered(place) for place in objects(root))


def older_than_entered(path: Path) -> str | None:
    """What is wrong with a database that is older than its entry, or holds less."""
    counts = counts_of(path)
    if not counts or "transaction" not in counts:
        return None
    with PageFile(path) as file:
        newest = file.metas[0].transaction if file.metas else 0
    if newest < counts["transaction"]:
        return (
            f"it is an older state of itself (transaction {newest} instead of "
            f"{counts['transaction']}): what was added since is gone{_count(counts)}"
        )
    return None


def _loss(entry: Entry) -> str:
    if entry.place.name == layout.PROTEINS or entry.place.suffix == ".lmdb":
        return _count(entry.counts)
    counts = ", ".join(f"{number:,} {unit}" for unit, number in entry.counts.items())
    return f"; it held {counts}" if counts else ""


def _count(counts: dict[str, int]) -> str:
    return f"; it held {counts['records']:,} proteins" if "records" in counts else ""


def uncommitted(root: Path) -> Iterator[Path]:
    """Yield what this package left unfinished, or on its way out; nobody else's dot-names."""
    places = [root, root / layout.EMBEDDINGS, root / layout.TOKENS, root / layout.TASKS]
    places.append(root / layout.ALPHABETS)
    places += layout.encoder_folders(root)
    places += [root / layout.SHARE, *layout.committed(root / layout.SHARE)]
    yield from (e.file for e in entries(root) if isinstance(e, Entry) and e.is_abandoned)
    for place in places:
        if place.is_dir():
            names = sorted(p.name for p in place.iterdir() if layout.is_unfinished(p.name))
            yield from (place / name for name in names)
