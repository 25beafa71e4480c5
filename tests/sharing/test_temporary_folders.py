from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from sesstore.errors import StoreAccessError
from sesstore.sharing import temporary_folders
from sesstore.sharing.pull import merge
from sesstore.sharing.push import push
from sesstore.sharing.remote_repair import repair_remote
from sesstore.sharing.temporary_folders import make_scratch, remove_scratch, scratch_folder

CHILD = """
import signal, sys, time
from pathlib import Path
from sesstore.sharing.overlay import Overlay
from sesstore.sharing.fetch import Reader
from sesstore.sharing.remote_repair import repair_remote
from sesstore.sharing.temporary_folders import scratch_folder
from sesstore.store import Store
if sys.argv[2] == "handled":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
with Overlay(Store.open(sys.argv[1])) as overlay, scratch_folder("x") as folder:
    Reader(overlay).index()
    (folder / "large").write_bytes(bytes(1 << 20))
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("how", "status"), [("plain", -signal.SIGTERM), ("handled", 3)])
def test_nothing_stays_after_sigterm(shared, tmp_path, how, status):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(shared.path), how],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    assert list(scratch.rglob("large"))
    child.terminate()
    assert child.wait(30) == status
    assert not list(scratch.iterdir())


def test_folders_are_gone_afterwards():
    with scratch_folder("x") as folder:
        (folder / "a").write_bytes(b"x")
    assert not folder.exists()
    folder = make_scratch("x")
    remove_scratch(folder)
    remove_scratch(folder)
    assert not folder.exists()


WORK = {
    "merge": lambda mine, store, bucket: merge(mine, store),
    "push": lambda mine, store, bucket: push(store, bucket),
    "repair": lambda mine, store, bucket: repair_remote(bucket),
}


@pytest.mark.parametrize("what", WORK)
def test_without_a_temporary_folder(shared, tmp_path, monkeypatch, bucket, what):
    """An error of its own, and nothing is blamed or lost."""
    push(shared, bucket)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(StoreAccessError, match="TMPDIR"):
        WORK[what](tmp_path / "mine", shared, bucket)


def test_folders_say_what_they_are_for_and_end_with_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def ends() -> None:
        with scratch_folder("push") as folder:
            assert folder.parent == tmp_path
            assert folder.name.startswith("sesstore-push-")
            assert folder in temporary_folders._folders
            raise KeyError("mine")

    with pytest.raises(KeyError):
        ends()
    assert list(tmp_path.iterdir()) == []


def test_a_thread_may_make_one_too(tmp_path, monkeypatch):
    """Handlers of signals are set in the main thread alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with ThreadPoolExecutor(1) as pool:
            folder = pool.submit(make_scratch, "x").result()
        assert folder.is_dir()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        other = make_scratch("x")
        assert signal.getsignal(signal.SIGTERM) is temporary_folders._end
        for made in (folder, other):
            remove_scratch(made)
            assert made not in temporary_folders._folders
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_child_leaves_the_folders_to_its_parent():
    """One that is forked, and ended by a signal, removes nothing of its parent's."""
    with scratch_folder("x"):
        child = os.fork()
        if child == 0:
            os._exit(len(temporary_folders._folders))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert temporary_folders._folders


def test_where_no_folder_can_be_made_the_reason_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(StoreAccessError, match="Not a directory"):
        make_scratch("x")
