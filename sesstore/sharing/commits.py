"""Commit records: how many writers add to one published store without waiting for each other.

A record is a small index of what one writer has just sent, written once, after everything it names,
under a name nobody else has. What no record and no index names does not exist for readers, so a
writer that is killed leaves nothing half-written, only files nobody names (`cleanup` removes
them). `fold` takes the records into ``share/index.json``, so that those who cannot list (HTTP) see
them too, and readers need not fetch thousands.

Readers list the records first, read them, and the index last; `fold` replaces the index first and
then removes the records. So whatever the order of events, nothing committed is missed.
"""

from __future__ import annotations

from ..errors import NotStoredError
from ..store import layout
from . import share_paths
from .fetch import Reader
from .places import Remote, Target
from .share_index import Index

_ATTEMPTS = 3


def published_index(remote: Remote) -> Index:
    """Return what is published: index and commit records; empty if there is nothing.

    Raises
    ------
    CorruptStoreError
        Either is not as it must be.
    """
    try:
        return Reader(remote).index()
    except NotStoredError:
        return Index()


def commit(target: Target, new: Index) -> str:
    """Make visible what was sent, in one step; return the record's name.

    Parameters
    ----------
    target : Target
        Where it was sent.
    new : Index
        Names only what lies there in full.
    """
    name = layout.new_segment_id()
    target.create(share_paths.commit_path(name), new.to_bytes())
    return name


def fold(target: Target) -> int:
    """Take all commit records into the index; return how many, 0 if others did meanwhile.

    Raises
    ------
    CorruptStoreError
        Index or records are not as they must be.
    """
    for _ in range(_ATTEMPTS):
        records = target.commits()
        if not records:
            return 0
        # Records are listed and the version is taken before the index is read: what is removed
        # below is in it, and an index that somebody replaced meanwhile is not replaced again.
        _, version = target.version()
        index = Reader(target).index()
        if target.replace_index(index.to_bytes(), version):
            target.remove(share_paths.commit_path(name) for name in records)
            return len(records)
    return 0
