"""Which locks are held when, and that none outlives what it was for."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sesstore.errors import StorageFullError
from sesstore.store import lmdb_read_lock
from sesstore.store.lmdb_read_lock import private_copy, reader_lock, wait_for_readers


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A file; no handle stays open after the test."""
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "file"
    path.write_bytes(b"content")
    before = len(os.listdir("/proc/self/fd"))
    yield path
    assert len(os.listdir("/proc/self/fd")) == before


def is_free(path: Path, kind: int) -> bool:
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def test_a_reader_keeps_writers_out_other_readers_in_and_the_gate_open(path):
    with suppress(KeyError), reader_lock(path):
        assert not is_free(path, fcntl.LOCK_EX)
        assert is_free(path, fcntl.LOCK_SH)
        assert is_free(path.parent, fcntl.LOCK_EX)
        with reader_lock(path):
            pass
        assert not is_free(path, fcntl.LOCK_EX)
        raise KeyError
    assert is_free(path, fcntl.LOCK_EX)


def test_a_reader_waits_at_the_gate_while_a_writer_holds_it(path, monkeypatch):
    monkeypatch.setattr(lmdb_read_lock, "PATIENCE_SECONDS", 0.05)
    gate = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(gate, fcntl.LOCK_EX)
    begin = time.monotonic()
    with reader_lock(path):
        assert time.monotonic() - begin >= 0.05
        assert not is_free(path, fcntl.LOCK_EX)
    os.close(gate)


def test_a_writer_waits_so_long_and_leaves_no_lock(path, monkeypatch):
    monkeypatch.setattr(lmdb_read_lock, "PATIENCE_SECONDS", 0.05)
    begin = time.monotonic()
    wait_for_readers(path)
    with reader_lock(path):
        wait_for_readers(path)
        assert time.monotonic() - begin >= 0.05
        assert is_free(path.parent, fcntl.LOCK_EX)
    assert is_free(path, fcntl.LOCK_EX)


def test_a_writer_closes_the_gate_before_it_waits_for_the_file(path, monkeypatch):
    calls, real = [], fcntl.flock

    def flock(handle: int, kind: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{handle}")).name
        calls.append((name, kind & ~fcntl.LOCK_NB))
        if calls == [("file", fcntl.LOCK_EX)]:
            raise BlockingIOError(errno.EWOULDBLOCK, "somebody reads")
        real(handle, kind)

    monkeypatch.setattr(fcntl, "flock", flock)
    wait_for_readers(path)
    lock, free = fcntl.LOCK_EX, fcntl.LOCK_UN
    assert calls == [
        ("file", lock), ("folder", lock), ("file", lock), ("file", free), ("folder", free)
    ]  # fmt: skip
    calls[:] = [("", 0)]
    with reader_lock(path):
        shared = fcntl.LOCK_SH
        assert calls[1:] == [("folder", shared), ("file", shared), ("folder", free)]
    assert calls[4:] == [("file", free)]


def test_where_a_file_system_has_no_locks_nobody_waits(path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    wait_for_readers(path)
    with reader_lock(path), private_copy(path) as copy:
        assert copy.read_bytes() == b"content"


def test_naps_grow_to_a_limit(path, monkeypatch):
    naps, clock = [], [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    with reader_lock(path):
        wait_for_readers(path)
    assert 30 <= sum(naps) <= 30.02
    assert naps[:3] == [0.0005, 0.001, 0.002]
    assert max(naps) == 0.02


def test_a_copy_is_made_under_the_lock_and_goes_whatever_happens(path, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    real = shutil.copyfile

    def copying(source, target):
        assert not is_free(path, fcntl.LOCK_EX)
        real(source, target)

    monkeypatch.setattr(shutil, "copyfile", copying)
    with suppress(KeyError), private_copy(path) as copy:
        assert (copy.name, copy.read_bytes()) == ("file", b"content")
        assert is_free(path, fcntl.LOCK_EX)  # a walk takes long
        raise KeyError
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StorageFullError, match=f"{tmp_path}/sesstore-"), private_copy(path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
