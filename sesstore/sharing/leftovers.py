"""What killed writers left in object storage: files that neither index nor commit record names.

They are invisible to readers and only take room. A writer that is at work has such files too, for
as long as it takes to send one segment, so what is younger than a day is left alone by default.
Parts of uploads that never ended are no files and cannot be listed here: give the bucket a rule
that ends incomplete multipart uploads.
"""

from __future__ import annotations

import time

from ..errors import NotStoredError
from ..store import layout
from ..store.compaction import GcReport
from . import names
from .commits import published
from .index import Index
from .urls import UrlRemote

DAY = 86400.0
_FOLDERS = (layout.EMBEDDINGS, "share")


def remote_gc(where: str, *, older_than: float = DAY, dry_run: bool = False) -> GcReport:
    """Remove what killed writers left in a published store.

    Parameters
    ----------
    where : str
        URL of the store.
    older_than : float
        Leave alone what was written within this many seconds: longer than sending a segment takes.
    dry_run : bool
        Only say what would be removed.

    Returns
    -------
    GcReport

    Raises
    ------
    NotStoredError
        There is no published store.
    InputError
        It can only be read.
    """
    target = UrlRemote(where)
    target.version()  # raises where nothing can be removed
    # Listed first: whatever is committed after that is in the index that is read then.
    listed = [one for folder in _FOLDERS for one in target.listing(folder)]
    index = published(target)
    if not index.encoders and not index.bundles and not index.tasks:
        raise NotStoredError(f"{where} is no shared store, so nothing in it is removed")
    kept, latest = _named(index), time.time() - older_than
    lost = [one for one in listed if one.modified <= latest and _is_ours(one.path)]
    lost = [one for one in lost if one.path not in kept]
    if not dry_run:
        target.remove(one.path for one in lost)
    return GcReport([one.path for one in lost], sum(one.bytes for one in lost))


def _is_ours(path: str) -> bool:
    """Whether it is a file of a segment, a bundle, a task or sums: not a group's, nor a record."""
    group = path.count("/") < 3 and path.startswith(layout.EMBEDDINGS)
    return names.is_public(path) and not group and not path.startswith(names.COMMITS)


def _named(index: Index) -> set[str]:
    """Paths of all files an index names."""
    found = {names.INDEX}
    found |= {names.bundle_path(sha) for sha in index.bundles}
    found |= {names.task_path(task.sha256) for task in index.tasks.values()}
    for folder, encoder in index.encoders.items():
        for name, segment in encoder.segments.items():
            found.add(names.sums_path(name))
            found |= {names.segment_path(folder, name, file) for file in segment.files}
    return found
