"""Places of stores: folders and object storage."""

from __future__ import annotations

from sesstore.sharing.places import FolderRemote
from sesstore.sharing.push import push
from sesstore.sharing.share_index import Index
from sesstore.store import Store


def test_the_index_of_a_folder_is_replaced_only_if_it_is_that_version(
    store: Store, tmp_path
) -> None:
    push(store, str(store.path))
    target = FolderRemote(store.path)
    raw, version = target.version()
    assert raw is not None
    assert target.replace_index(Index().to_bytes(), version)
    assert not target.replace_index(raw, version)
    assert target.version()[0] == Index().to_bytes()
    assert not target.replace_index(raw, None)
