"""What the system refuses on this side is an error of its own, and no fault of who shares."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sesstore.sharing.pull import pull
from sesstore.store import Store
from sesstore.store.diff import compare_stores
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
def place() -> Iterator[Path]:
    """A folder that other users reach (those of pytest they do not), with one to write to in it."""
    if os.getuid():
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="sesstore-access-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "mine").mkdir()
    (folder / "mine").chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def copied(source: Path, place: Path) -> Path:
    """A copy that everybody may read."""
    copy = place / "theirs"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("*-lock"))
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copy


PLACES = ["embeddings/enc-*/2*/values/c.0.0", "embeddings/enc-*/2*/digests/c.0.0"]


@pytest.mark.parametrize("what", [*PLACES, "share/index.json", "share/tasks/*", "share/bundles/*"])
def test_files_that_may_not_be_read(published, place, what):
    theirs = copied(published, place)
    path = sorted(theirs.glob(what))[0]
    said = pulled(place / "mine", theirs, "other", lambda: path.chmod(0))
    assert said.startswith("StoreAccessError")
    assert str(path) in said
    assert "Permission denied" in said
    assert not (place / "mine/zarr.json").exists() or verify(place / "mine").ok


def test_a_living_store_of_which_a_file_may_not_be_read(template, place):
    theirs = copied(template, place)
    path = sorted(theirs.glob(PLACES[0]))[0]
    said = pulled(place / "mine", theirs, "other", lambda: path.chmod(0))
    assert said.startswith("StoreAccessError")
    assert str(path) in said


def test_a_folder_that_may_not_be_looked_into(template, place):
    theirs = copied(template, place)
    said = pulled(place / "mine", theirs, "other", lambda: theirs.chmod(0o700))
    assert said.startswith("StoreAccessError")
    assert str(theirs) in said


def test_a_store_that_may_not_be_written(published, place):
    theirs, mine = copied(published, place), place / "mine"
    pull(mine, str(theirs))
    shutil.rmtree(next(mine.glob("embeddings/int-*")))
    lacking = verify(mine).bad
    said = pulled(mine, theirs, "other")
    assert said.startswith("StoreAccessError")
    assert str(mine) in said
    assert verify(mine).bad == lacking


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
