"""Places of stores: folders and object storage."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from sesstore.errors import CorruptStoreError, InputError, NotStoredError
from sesstore.sharing import places
from sesstore.sharing.places import FolderRemote, as_folder, check_address, is_url
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


@pytest.mark.parametrize(
    ("address", "url"),
    [("s3://lab/x", True), ("https://a/b", True), ("file:///data/x", False), ("file:/data", False),
     ("data/x", False), ("/data/x", False), ("C:x", False)],
)  # fmt: skip
def test_what_is_a_url(address: str, url: bool) -> None:
    assert is_url(address) is url


def test_folders_are_paths_with_or_without_a_scheme() -> None:
    paths = [as_folder(text) for text in ("file:///data/x", "file:/data/x", "/data/x", "data/x")]
    assert [str(path) for path in paths] == ["/data/x", "/data/x", "/data/x", "data/x"]


@pytest.mark.parametrize(
    ("url", "said"),
    [("ftp://a/b", "ftp:// is not known"), ("s3://key:secret@lab/x", "no credentials"),
     ("https://me@lab/x", "no credentials")],
)  # fmt: skip
def test_addresses_that_cannot_be_used(url: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_address(url)
    assert check_address("https://lab/x@y") == "https"


def test_a_listing_has_files_alone(tmp_path: Path) -> None:
    (tmp_path / "share" / "deep").mkdir(parents=True)
    for name, text in (("a", "1"), ("deep/b", "22"), (".hidden", "3"), ("deep/.c", "4")):
        (tmp_path / "share" / name).write_text(text)
    (tmp_path / "share" / "link").symlink_to(tmp_path / "share" / "a")
    files = list(FolderRemote(tmp_path).listing("share"))
    assert [(file.path, file.bytes) for file in files] == [("share/a", 1), ("share/deep/b", 2)]
    assert files[0].modified == (tmp_path / "share" / "a").stat().st_mtime
    assert list(FolderRemote(tmp_path).listing("none")) == []


def test_bytes_beyond_the_end_are_not_there(tmp_path: Path) -> None:
    place = FolderRemote(tmp_path)
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "index.json").write_bytes(b"12345")
    assert place.read("share/index.json", 1, 5, 5) == b"2345"
    assert b"".join(place.stream("share/index.json", 3)) == b"45"
    with pytest.raises(NotStoredError, match="has no bytes 1 to 6"):
        place.read("share/index.json", 1, 6, 5)
    assert place.size("share/index.json") == 5
    assert not place.create("share/index.json", b"x")  # there is one
    assert (tmp_path / "share" / "index.json").read_bytes() == b"12345"


def test_a_folder_is_written_to_as_a_bucket_is(tmp_path: Path) -> None:
    """Folders are made, files replaced, created once, removed if they are there."""
    place, sha = FolderRemote(tmp_path / "lab"), "0" * 64
    path, source = f"share/tasks/{sha}", tmp_path / "source"
    assert place.size(path) is None
    assert place.version() == (None, None)
    assert place.commits() == []
    for text in (b"first", b"2"):
        source.write_bytes(text)
        place.put(path, source)
        assert (place.size(path), place.read(path, 0, len(text), 9)) == (len(text), text)
    record = "20261127T000000000000-0123456789abcdef"
    assert place.create(f"share/commits/{record}", b"a")
    assert not place.create(f"share/commits/{record}", b"b")
    assert place.read(f"share/commits/{record}", 0, 1, 1) == b"a"
    assert place.commits() == [record]
    place.remove([path, path, f"share/tasks/{'1' * 64}"])
    assert place.size(path) is None
    assert place.replace_index(b"1", None)
    assert place.version() == (b"1", b"1")
    assert not place.replace_index(b"2", None)
    assert place.replace_index(b"2", b"1")
    assert (tmp_path / "lab/share/index.json").read_bytes() == b"2"
    # The lock is given back: somebody else may replace it now.
    assert FolderRemote(tmp_path / "lab").replace_index(b"3", b"2")


def test_only_what_is_shared_is_looked_for_in_a_folder(tmp_path: Path) -> None:
    place = FolderRemote(tmp_path)
    (tmp_path / "proteins.lmdb").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "index.json").symlink_to(tmp_path / "secret")
    for path in ("proteins.lmdb", "../x", "share/index.json"):
        for act in (place.size, place.place, lambda p: list(place.stream(p))):
            with pytest.raises(CorruptStoreError, match="leads out of"):
                act(path)
        with pytest.raises(CorruptStoreError, match="leads out of"):
            place.put(path, tmp_path / "secret")
    (tmp_path / "embeddings" / "zarr.json").mkdir(parents=True)
    with pytest.raises(NotStoredError, match="has no embeddings"):
        place.read("embeddings/zarr.json", 0, 1, 1)
    assert FolderRemote(tmp_path / "." / "share" / "..").size("zarr.json") is None
    link = tmp_path.with_name("link")
    link.symlink_to(tmp_path)  # the folder itself may be reached by a link
    (tmp_path / "zarr.json").write_bytes(b"{}")
    assert FolderRemote(link).size("zarr.json") == 2
    link.unlink()


def test_files_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PIECE", 4)
    (tmp_path / "zarr.json").write_bytes(b"0123456789")
    assert list(FolderRemote(tmp_path).stream("zarr.json")) == [b"0123", b"4567", b"89"]
    assert list(FolderRemote(tmp_path).stream("zarr.json", 10)) == []


@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "http", "https"])
def test_schemes_that_can_be_reached(scheme: str) -> None:
    assert check_address(f"{scheme}://lab/x") == scheme


def test_an_index_is_replaced_by_one_at_a_time(tmp_path: Path) -> None:
    """Whoever compares versions while another replaces the file would take it back."""
    place = FolderRemote(tmp_path)
    assert place.replace_index(b"1", None)
    handle = os.open(tmp_path / "share", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as by another process that is at it
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(place.replace_index(b"2", b"1")))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    (tmp_path / "share" / "index.json").write_bytes(b"3")
    os.close(handle)
    thread.join(30)
    assert results == [False]
    assert place.version()[0] == b"3"
