"""The order of the steps that make a file survive a crash of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sesstore.durable_files import fsync, make_folder, rename_durably, whole_file, write_file


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every fsync and rename, with what it was of, in order."""
    calls: list[tuple[str, str]] = []
    fsync, replace, mkdir = os.fsync, os.replace, os.mkdir

    def named(handle: int) -> str:
        return Path(os.readlink(f"/proc/self/fd/{handle}")).name

    monkeypatch.setattr(os, "fsync", lambda h: (calls.append(("fsync", named(h))), fsync(h))[1])
    monkeypatch.setattr(
        os, "replace", lambda a, b: (calls.append(("name", Path(b).name)), replace(a, b))[1]
    )
    monkeypatch.setattr(
        os, "mkdir", lambda p, *r: (calls.append(("mkdir", Path(p).name)), mkdir(p, *r))[1]
    )
    return calls


def test_a_file_is_synced_then_named_then_its_folder_synced(tmp_path, steps) -> None:
    (tmp_path / "beside").write_bytes(b"x")
    rename_durably(tmp_path / "beside", tmp_path / "file")
    assert steps == [("fsync", "beside"), ("name", "file"), ("fsync", tmp_path.name)]
    assert (tmp_path / "file").read_bytes() == b"x"


def test_of_a_folder_everything_inside_is_synced_first(tmp_path, steps) -> None:
    (tmp_path / "beside" / "inner").mkdir(parents=True)
    (tmp_path / "beside" / "a").write_bytes(b"a")
    (tmp_path / "beside" / "inner" / "b").write_bytes(b"b")
    steps.clear()
    rename_durably(tmp_path / "beside", tmp_path / "folder")
    synced = {name for kind, name in steps[:-2] if kind == "fsync"}
    assert synced == {"beside", "inner", "a", "b"}
    assert steps[-2:] == [("name", "folder"), ("fsync", tmp_path.name)]


def test_a_written_file_is_on_disk(tmp_path, steps) -> None:
    write_file(tmp_path / "file", b"x" * 100_000)
    assert steps == [("fsync", "file")]


def test_every_byte_is_written_and_none_of_before_stays(tmp_path, monkeypatch) -> None:
    """A system may take fewer bytes than it is given."""
    path, write = tmp_path / "file", os.write
    path.write_bytes(b"longer than what comes")
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:4]))
    write_file(path, b"0123456789")
    assert path.read_bytes() == b"0123456789"


def test_folders_are_made_durably_and_once(tmp_path, steps) -> None:
    make_folder(tmp_path / "a" / "b")
    expected = [("mkdir", "a"), ("fsync", tmp_path.name), ("mkdir", "b"), ("fsync", "a")]
    assert steps == expected
    make_folder(tmp_path / "a" / "b")
    assert steps == expected


def write_whole(path: Path, kind: str, text: str, *, fails: bool = False) -> None:
    with whole_file(path) as beside:
        assert (beside.parent, beside.suffix, beside.name[0]) == (path.parent, path.suffix, ".")
        if kind == "folder":
            beside.mkdir()
        (beside / "part" if kind == "folder" else beside).write_text(text)
        if fails:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_fails_halfway_leaves_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out.npz"
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, kind, "half", fails=True)
    assert not list(tmp_path.iterdir())
    write_whole(path, kind, "whole")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, kind, "half", fails=True)
    assert (path / "part" if kind == "folder" else path).read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_no_file_stays_open(tmp_path: Path, monkeypatch) -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = opened()
    write_file(tmp_path / "a", b"x")
    rename_durably(tmp_path / "a", tmp_path / "b")

    def refused(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refused)
    for step in (lambda: write_file(tmp_path / "c", b"x"), lambda: fsync(tmp_path / "b")):
        with pytest.raises(OSError, match="No space left"):
            step()
    assert opened() == before
