"""Objects in storage, as obstore keeps them in memory: the promises that writers rely on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sesstore.errors import (
    CorruptStoreError,
    InputError,
    NotStoredError,
    StoreError,
)
from sesstore.sharing import object_storage, share_paths
from sesstore.sharing.object_storage import BucketRemote

obstore = pytest.importorskip("obstore", reason="obstore is not installed")


@pytest.fixture
def target(memory: str) -> BucketRemote:
    return BucketRemote(memory)


def test_addresses(memory: str):
    assert BucketRemote(f"{memory}//").url == memory
    with pytest.raises(InputError, match="can only be read"):
        BucketRemote("https://lab.org/x")
    with pytest.raises(InputError, match="ftp:// is not known"):
        BucketRemote("ftp://lab.org/x")


def test_bytes_come_as_they_were_asked_for(target: BucketRemote, monkeypatch):
    monkeypatch.setattr(object_storage, "PIECE", 3)
    raw = bytes(range(50))
    target.create("a/b", raw)
    assert b"".join(target.stream("a/b")) == raw
    assert b"".join(target.stream("a/b", 41)) == raw[41:]
    assert all(isinstance(piece, bytes) for piece in target.stream("a/b"))
    assert target.read("a/b", 7, 19, 50) == raw[7:19]
    assert target.read("a/b", 0, 50, 50) == raw
    assert target.read("a/b", 9, 9, 50) == target.read("none", 9, 9, 50) == b""
    with pytest.raises(NotStoredError, match="s3://memory/lab/a/b has no bytes 45 to 51"):
        target.read("a/b", 45, 51, 51)
    for act in (lambda: list(target.stream("none")), lambda: target.read("none", 0, 1, 1)):
        with pytest.raises(NotStoredError, match="s3://memory/lab has no none"):
            act()
    assert target.size("a/b") == 50
    assert target.size("none") is None


def test_more_than_was_asked_for_is_refused(target: BucketRemote, monkeypatch):
    class Answer:
        def stream(self, _: int):
            yield from (b"123", b"456", b"789")

    monkeypatch.setattr(obstore, "get", lambda *_, **__: Answer())
    assert target.read("x", 0, 9, 9) == b"123456789"
    with pytest.raises(CorruptStoreError, match="more of x came than was asked for"):
        target.read("x", 0, 8, 8)


def test_a_file_is_put_whole(target: BucketRemote, tmp_path: Path, monkeypatch):
    (tmp_path / "x").write_bytes(b"12345")
    target.put("a/x", tmp_path / "x")
    assert b"".join(target.stream("a/x")) == b"12345"
    (tmp_path / "x").write_bytes(b"1")
    target.put("a/x", tmp_path / "x")
    assert b"".join(target.stream("a/x")) == b"1"
    monkeypatch.setattr(obstore, "put", lambda *_, **__: None)
    (tmp_path / "x").write_bytes(b"12")
    with pytest.raises(StoreError, match="s3://memory/lab/a/x did not arrive whole"):
        target.put("a/x", tmp_path / "x")


def test_of_two_that_create_the_first_wins(target: BucketRemote, monkeypatch):
    assert target.create("x", b"first")
    assert not target.create("x", b"second")
    assert b"".join(target.stream("x")) == b"first"
    real = obstore.put

    def plain(store, path, raw, **options):
        if options.get("mode") == "create":
            raise obstore.exceptions.NotSupportedError("no conditions here")
        return real(store, path, raw, **options)

    monkeypatch.setattr(obstore, "put", plain)
    assert target.create("y", b"where nothing is promised")
    assert target.size("y") == 25


def test_a_listing_has_all_objects_of_a_folder(target: BucketRemote, monkeypatch):
    monkeypatch.setattr(object_storage, "_LISTED_AT_ONCE", 2)
    for number in range(5):
        target.create(f"share/commits/c{number}", bytes(number))
    target.create("share/commitsx", b"")
    files = list(target.listing("share/commits"))
    expected = [(f"share/commits/c{n}", n) for n in range(5)]
    assert sorted((file.path, file.bytes) for file in files) == expected
    assert all(abs(f.modified - time.time()) < 60 for f in files)
    assert sorted(target.commits()) == [f"c{n}" for n in range(5)]
    assert list(target.listing("none")) == []
    target.remove(f"share/commits/c{n}" for n in (0, 1, 2, 4))
    assert target.commits() == ["c3"]


def test_an_object_is_moved(target: BucketRemote):
    target.create("a", b"1")
    target.move("a", "b/c")
    assert (target.size("a"), b"".join(target.stream("b/c"))) == (None, b"1")
    target.move("a", "d")  # gone already
    assert target.size("d") is None


def test_the_index_is_replaced_only_if_it_is_that_version(target: BucketRemote):
    assert target.version() == (None, None)
    assert target.replace_index(b"1", None)
    assert not target.replace_index(b"2", None)
    raw, version = target.version()
    assert raw == b"".join(target.stream(share_paths.INDEX)) == b"1"
    assert target.replace_index(b"3", version)
    assert not target.replace_index(b"4", version)
    assert target.version()[0] == b"3"
    assert target.version()[1] != version


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("UnauthenticatedError", InputError, "does not let you in"),
        ("PermissionDeniedError", InputError, "does not let you in"),
        ("NotFoundError", NotStoredError, "has no x"),
        ("GenericError", StoreError, "lab/x cannot be used: the last part. Check"),
    ],
)
def test_errors_of_clouds_are_ours(target: BucketRemote, monkeypatch, kind, error, said):
    problem = getattr(obstore.exceptions, kind)("first - second - the last part\nmore")

    def fails(*_, **__) -> None:
        raise problem

    for name in ("get", "list", "delete", "put"):
        monkeypatch.setattr(obstore, name, fails)
    for act in (
        lambda: list(target.stream("x")),
        lambda: target.read("x", 0, 1, 1),
        lambda: target.create("x", b""),
        lambda: list(target.listing("x")),
    ):
        with pytest.raises(error, match=said):
            act()
    with pytest.raises(error):
        target.remove(["x"])
    with pytest.raises(error):
        target.replace_index(b"", None)


def test_a_bucket_that_is_not_there_is_said(target: BucketRemote, monkeypatch):
    def fails(*_, **__) -> None:
        raise obstore.exceptions.GenericError("<Code>NoSuchBucket</Code>")

    monkeypatch.setattr(obstore, "get", fails)
    with pytest.raises(InputError, match="s3://memory/lab: there is no such bucket"):
        target.version()


def test_how_clouds_are_reached(monkeypatch):
    """Plain HTTP only where the environment says so; retried for a minute, not for ever."""
    calls = []

    def from_url(url: str, **options: dict) -> None:
        calls.append((url, options))

    monkeypatch.setattr(obstore.store, "from_url", from_url)
    for allowed in ("true", "1", None):
        if allowed is None:
            monkeypatch.delenv("AWS_ALLOW_HTTP", raising=False)
        else:
            monkeypatch.setenv("AWS_ALLOW_HTTP", allowed)
        BucketRemote("s3://lab/x/")
    assert [url for url, _ in calls] == ["s3://lab/x"] * 3
    assert [options["client_options"]["allow_http"] for _, options in calls] == [True, False, False]
    options = calls[0][1]
    client = options["client_options"]
    names = ("connect_timeout", "read_timeout", "timeout")
    assert [client[name].total_seconds() for name in names] == [10, 60, 43_200]
    assert options["retry_config"]["max_retries"] == 4

    def fails(*_, **__) -> None:
        raise ValueError("no such thing\nmore")

    monkeypatch.setattr(obstore.store, "from_url", fails)
    with pytest.raises(InputError, match=r"'s3://lab/x' cannot be used: no such thing\. Write it"):
        BucketRemote("s3://lab/x")


@pytest.mark.parametrize("where", ["memory", "bucket"])
def test_a_range_beyond_the_end_is_not_there(where: str, request: pytest.FixtureRequest):
    """Servers refuse it: the object is shorter than an index says, and no line is dead."""
    target = BucketRemote(request.getfixturevalue(where))
    target.create("share/index.json", b"12345")
    for start in (5, 9):
        with pytest.raises(NotStoredError, match=f"has 5 bytes and none at {start}"):
            target.read("share/index.json", start, 12, 12)
        with pytest.raises(NotStoredError, match=f"has 5 bytes and none at {start}"):
            list(target.stream("share/index.json", start))
    with pytest.raises(NotStoredError, match="has no none"):
        target.read("none", 5, 12, 12)
