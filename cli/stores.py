"""Open the store a command works on: a folder, a copy of a remote one, or a remote one itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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

    A store that the command makes and puts nothing into, because something was wrong, is removed.

    Parameters
    ----------
    store_path : path
        What ``--store`` says.
    create : bool
        Make it if there is none.
    """
    return click.get_current_context().with_resource(_open(store_path, output, create))


@contextmanager
def _open(store_path: Path, output: Output, create: bool) -> Iterator[Store]:
    from sesstore.sharing.bucket import open_store
    from sesstore.sharing.cache import url_of
    from sesstore.store.atomic_files import check_writable

    url = url_of(store_path)
    is_new = url is None and not store_path.exists()
    if url is None and (create or not is_new):
        check_writable(store_path)
    try:
        with open_store(url or store_path, create=create, progress=output) as store:
            yield store
    finally:
        if is_new and create and store_path.is_dir():
            remove_if_empty(store_path)


def remove_if_empty(store_path: Path) -> None:
    """Remove a store's folder if it holds nothing but the mark of a store."""
    if {path.name for path in store_path.rglob("*") if path.is_file()} == {"zarr.json"}:
        shutil.rmtree(store_path)


def tasks_at(store_path: Path) -> list[str]:
    """Return the tasks of the store in a folder; none, if there is no store or it is elsewhere."""
    from sesstore.store import Store

    return Store.open(store_path).tasks() if (store_path / "zarr.json").is_file() else []
