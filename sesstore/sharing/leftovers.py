"""What killed writers left in object storage: files that neither index nor commit record names.

They are invisible to readers and only take room. A writer that is at work has such files too, for
as long as it takes to send one segment, so what is younger than a day is left alone by default: by
the server's clock, as this machine's may be wrong. Writers that commit meanwhile are not harmed
whatever the age, see `cleanup`; they only send again what was removed.
Parts of uploads that never ended are no files and cannot be listed here: give the bucket a rule
that ends incomplete multipart uploads.
"""

from __future__ import annotations

from ..errors import NotStoredError
from ..store import layout
from ..store.compaction import GcReport
from . import names
from .cleanup import Mark
from .commits import published
from .index import Index
from .taking import in_batches
from .urls import UrlRemote

DAY = 86400.0
SET_ASIDE = "share/set-aside"
_REMOVED_AT_ONCE = 1000
_FOLDERS = (layout.EMBEDDINGS, "share")


def remote_gc(
    where: str, *, older_than: float = DAY, set_aside: bool = False, dry_run: bool = False
) -> GcReport:
    """Remove what killed writers left in a published store.

    Parameters
    ----------
    where : str
        URL of the store.
    older_than : float
        Leave alone what was written within this many seconds: longer than sending a segment takes.
    set_aside : bool
        Remove also what `repair` set aside.
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
    # Listed first: whatever is committed after that is in the index that is read then.
    listed = [one for folder in _FOLDERS for one in target.listing(folder)]
    if not any(names.is_public(file.path) for file in listed):
        raise NotStoredError(f"{where} is no shared store, so nothing in it is removed")
    with Mark(target) as mark:
        index = published(target)
        if not index.encoders and not index.bundles and not index.tasks:
            raise NotStoredError(f"{where} is no shared store, so nothing in it is removed")
        keep, latest = named_files(index), mark.server_time - older_than
        old = [file for file in listed if file.modified <= latest]
        lost = [file for file in old if _is_ours(file.path) and file.path not in keep]
        if set_aside:
            lost += [file for file in old if file.path.startswith(f"{SET_ASIDE}/")]
        if not dry_run:
            for batch in in_batches((file.path for file in lost), _REMOVED_AT_ONCE):
                mark.renew()
                target.remove(batch)
    return GcReport([file.path for file in lost], sum(file.bytes for file in lost))


def _is_ours(path: str) -> bool:
    """Whether it is a file of a segment, a bundle, a task or sums: not a group's, nor a record."""
    group = path.count("/") < 3 and path.startswith(layout.EMBEDDINGS)
    return names.is_public(path) and not group and not path.startswith(names.COMMITS)


def named_files(index: Index) -> set[str]:
    """Paths of all files an index names."""
    found = {names.INDEX}
    found |= {names.bundle_path(sha) for sha in index.bundles}
    found |= {names.task_path(task.sha256) for task in index.tasks.values()}
    for folder, encoder in index.encoders.items():
        for name, segment in encoder.segments.items():
            found.add(names.sums_path(name))
            found |= {names.segment_path(folder, name, file) for file in segment.files}
    return found
