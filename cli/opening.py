"""Open the store a command works on: a folder, a copy of a remote one, or a remote one itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

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


def store_to_write(store_path: Path, output: Output, *, create: bool = True) -> Store:
    """Open a store for writing, a folder or a URL, until the command ends.

    Parameters
    ----------
    store_path : path
        What ``--store`` says.
    create : bool
        Make it if there is none.
    """
    from sesstore.sharing.cache import url_of
    from sesstore.sharing.home import opened_store

    opened = opened_store(url_of(store_path) or store_path, create=create, progress=output)
    return click.get_current_context().with_resource(opened)
