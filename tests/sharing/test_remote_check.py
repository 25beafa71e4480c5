"""What is looked at of a published store before anything is repaired."""

from __future__ import annotations

import pytest

from sesstore.errors import CorruptStoreError, InputError, NotStoredError, StoreError
from sesstore.sharing import share_paths
from sesstore.sharing.cleanup import SET_ASIDE
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.remote_repair import repair_remote

from .conftest import change


def test_what_cannot_be_reached_is_not_judged(target, monkeypatch):
    before = b"".join(target.stream(share_paths.INDEX))
    real = BucketRemote.stream

    def unreachable(self, path, start=0):
        if "/values/c" in path:
            raise StoreError("the line is dead")
        return real(self, path, start)

    with monkeypatch.context() as patch:
        patch.setattr(BucketRemote, "stream", unreachable)
        with pytest.raises(StoreError, match="dead"):
            repair_remote(target.url)
    assert b"".join(target.stream(share_paths.INDEX)) == before
    assert not list(target.listing(SET_ASIDE))


def test_where_there_is_no_store_or_no_index(tmp_path, target, bucket, file_server):
    with pytest.raises(NotStoredError, match="no shared store"):
        repair_remote(f"{bucket}/elsewhere")
    with pytest.raises(InputError, match="only be read"):
        repair_remote(file_server(tmp_path))
    change(target, share_paths.INDEX, tmp_path)
    with pytest.raises(CorruptStoreError):
        repair_remote(target.url)
