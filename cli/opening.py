"""Open the store a command works on: a folder, or the copy of a remote one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .output import Output

if TYPE_CHECKING:
    from sesstore.store import Store


def store_with(store_path: Path, task: str, plm: str | None, output: Output) -> Store:
    """Open a store; of a remote one (``--store https://...``) pull what the task needs first.

    Parameters
    ----------
    store_path : path
        What ``--store`` says.
    task : str
        The task that is to be read.
    plm : str, optional
        The encoder that is to be read.
    """
    from sesstore.sharing.cache import remote_store, url_of
    from sesstore.store import Store

    url = url_of(store_path)
    return remote_store(url, task, plm, progress=output) if url else Store.open(store_path)
