"""What the system refuses on this side is an error of its own, and no fault of who shares."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sesstore.sharing.pull import pull
from sesstore.store import Store
from sesstore.store.comparison import compare_stores
from sesstore.store.integrity import verify

CHILD = """
import os, resource, sys
from pathlib import Path
from sesstore.errors import SesstoreError
from sesstore.sharing.pull import pull
mine, where, warm, limit = sys.argv[1:]
pull(Path(warm), where)  # imports what is not readable for others
if limit == "other":
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
else:
    kind, value = limit.split("=")
    resource.setrlimit(getattr(resource, kind), (int(value), int(value)))
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
try:
    pull(Path(mine), where)
    print("done")
except SesstoreError as problem:
    print(type(problem).__name__, problem)
"""


def pulled(mine: Path, where: Path, limit: str, prepare=lambda: None) -> str:
    """Pull in a process that has less than others; how it ended."""
    warm = mine.with_name("warm")
    command = [sys.executable, "-c", CHILD, str(mine), str(where), str(warm), limit]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    prepare()
    said, trace = child.communicate("\n", timeout=60)
    assert child.returncode == 0, trace
    assert "Traceback" not in trace
    shutil.rmtree(warm)
    return said


@pytest.fixture
def open_folder(tmp_path):
    """A folder another user can reach and write."""
    if os.getuid():
        pytest.skip("only root can become another user")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    mine = tmp_path / "mine"
    mine.mkdir()
    mine.chmod(0o777)
    return mine


PLACES = ["embeddings/enc-*/2*/values/c.0.0", "embeddings/enc-*/2*/digests/c.0.0"]


@pytest.mark.parametrize("what", [*PLACES, "share/index.json", "share/tasks/*", "share/bundles/*"])
def test_files_that_may_not_be_read(forgery, open_folder, what):
    path = sorted(forgery.path.glob(what))[0]
    said = pulled(open_folder, forgery.path, "other", lambda: path.chmod(0))
    path.chmod(0o644)
    assert said.startswith("StoreAccessError")
    assert str(path) in said
    assert "Permission denied" in said
    assert not (open_folder / "zarr.json").exists() or verify(open_folder).ok


def test_a_living_store_of_which_a_file_may_not_be_read(shared, open_folder):
    path = sorted(shared.path.glob(PLACES[0]))[0]
    for folder in (shared.path, *shared.path.rglob("*")):
        folder.chmod(folder.stat().st_mode | (0o055 if folder.is_dir() else 0o044))
    said = pulled(open_folder, shared.path, "other", lambda: path.chmod(0))
    assert said.startswith("StoreAccessError")
    assert str(path) in said


def test_a_folder_that_may_not_be_looked_into(shared, open_folder):
    said = pulled(open_folder, shared.path, "other", lambda: shared.path.chmod(0o700))
    assert said.startswith("StoreAccessError")
    assert str(shared.path) in said


def test_a_store_that_may_not_be_written(forgery, open_folder):
    pull(open_folder, str(forgery.path))
    shutil.rmtree(next(open_folder.glob("embeddings/int-*")))
    said = pulled(open_folder, forgery.path, "other")
    assert said.startswith("StoreAccessError")
    assert str(open_folder) in said
    assert verify(open_folder).ok


@pytest.mark.parametrize(
    ("limit", "kind"),
    [
        ("RLIMIT_FSIZE=20000", "StorageFullError"),
        ("RLIMIT_NOFILE=13", "StoreAccessError"),
    ],
)
def test_no_space_and_no_files(forgery, shared, tmp_path, limit, kind):
    mine = tmp_path / "mine"
    said = pulled(mine, forgery.path, limit)
    assert said.startswith(kind)
    assert "refused" not in said
    pull(mine, str(forgery.path))
    assert verify(mine).ok
    assert compare_stores(shared, Store.open(mine)).same
