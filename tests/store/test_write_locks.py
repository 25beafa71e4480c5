"""Locks of what is not committed yet."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from pathlib import Path

import pytest

from sesstore.store import compaction
from sesstore.store.compaction import gc
from sesstore.store.write_locks import hold, new_file, new_folder


def test_gc_holds_what_it_removes(filled, monkeypatch):
    """Nobody can begin to write in a folder that is being removed."""
    folder = filled.store.encoder_folder("enc_int8") / ".20200101T000000000000-0123456789abcdef"
    folder.mkdir()
    seen = []
    real = compaction.shutil.rmtree
    monkeypatch.setattr(
        compaction.shutil, "rmtree", lambda path: (seen.append(hold(path)), real(path))
    )
    assert len(gc(filled.store, older_than=0).removed) == 1
    assert seen == [None]


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_who_makes_something_waits_for_its_lock_and_gc_does_not(tmp_path, monkeypatch) -> None:
    """Somebody may look at what was made just before its maker locks it."""
    operations, real = [], fcntl.flock

    def flock(handle: int, operation: int) -> None:
        operations.append(operation)
        real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    made = [new_folder(tmp_path / "folder"), new_file(tmp_path / "file")]
    for handle in made:
        os.close(handle)
    for wait in (True, False):
        os.close(hold(tmp_path / "file", wait=wait))
    waiting, at_once = fcntl.LOCK_EX, fcntl.LOCK_EX | fcntl.LOCK_NB
    assert operations == [waiting, waiting, waiting, at_once]


@pytest.mark.parametrize("make", [new_file, new_folder])
def test_who_makes_something_holds_it_until_it_is_closed(tmp_path: Path, make) -> None:
    before, path = handles(), tmp_path / "x"
    handle = make(path)
    assert path.is_dir() == (make is new_folder)
    assert hold(path) is None
    assert handles() == before + 1
    with pytest.raises(FileExistsError):
        make(path)
    waiting: list[int | None] = []
    thread = threading.Thread(target=lambda: waiting.append(hold(path, wait=True)))
    thread.start()
    thread.join(0.05)
    assert waiting == []
    os.close(handle)
    thread.join(10)
    (held,) = waiting
    assert held is not None
    assert hold(path) is None
    os.close(held)
    again = hold(path)
    assert again is not None
    os.close(again)
    assert handles() == before


def test_what_is_gone_or_a_link_is_not_held(tmp_path: Path) -> None:
    before = handles()
    assert hold(tmp_path / "none") is None
    assert hold(tmp_path / "none", wait=True) is None
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="link"):
        hold(tmp_path / "link")
    assert handles() == before


@pytest.mark.parametrize("make", [new_file, new_folder])
@pytest.mark.parametrize("other", [True, False])
def test_what_is_removed_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch, make, other
) -> None:
    """By gc, in between; and though somebody else has one by that name meanwhile."""
    before, path, real, removed = handles(), tmp_path / "x", fcntl.flock, []

    def flock(handle: int, operation: int) -> None:
        if not removed:
            removed.append(handle)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            if other:
                path.write_bytes(b"theirs")
        real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    if other:
        with pytest.raises(FileExistsError):
            make(path)
        assert path.read_bytes() == b"theirs"
        assert handles() == before
        return
    handle = make(path)
    assert os.path.samestat(os.fstat(handle), path.stat())
    os.close(handle)
    assert handles() == before
