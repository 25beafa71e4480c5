"""What the system refuses is never taken for damage: each refusal is forced in a child process."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import pytest

from sesstore.errors import CorruptStoreError, StorageFullError, StoreAccessError
from sesstore.store import Store
from sesstore.store.access import is_refusal, is_there, refusal, system_errors
from sesstore.store.compaction import compact
from sesstore.store.integrity import verify
from sesstore.store.lmdb_seals import seal_path
from sesstore.store.repair import repair

NOBODY = 65534


def in_child(setup: Callable[[], None], work: Callable[[], object]) -> dict:
    """What some work returned or raised in a forked process, where something is refused."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(read)
        try:
            setup()
            answer = {"result": work()}
        except BaseException as problem:
            answer = {"kind": type(problem).__name__, "said": str(problem)}
        with os.fdopen(write, "w") as pipe:
            pipe.write(json.dumps(answer))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = json.loads(pipe.read())
    os.wait()
    return answer


def judge(path: Path) -> object:
    """Names of what `verify` found bad and unreadable, and what `repair` says."""
    report = verify(path)
    try:
        repaired: object = repair(path).to_json()
    except StoreAccessError as problem:
        repaired = str(problem)
    return [[f.where for f in report.bad], [f.where for f in report.unreadable], repaired]


def contents(root: Path) -> dict[str, bytes]:
    files = (p for p in root.rglob("*") if p.is_file() and not p.name.endswith("-lock"))
    return {str(p.relative_to(root)): p.read_bytes() for p in files}


@pytest.fixture
def open_store(filled) -> Iterator[Path]:
    """A store where other users can get at it."""
    folder = Path(tempfile.mkdtemp(prefix="sesstore-test-"))
    folder.chmod(0o777)
    shutil.copytree(filled.store.path, folder / "store")
    verify(folder / "store")  # imports all that a child could no longer import
    yield folder / "store"
    shutil.rmtree(folder)


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))
    while True:
        try:
            os.dup(0)
        except OSError:
            break
    os.close(11)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.mark.parametrize("what", ["segments", "database", "tasks", "encoder", "seal"])
def test_no_permission_is_no_damage(open_store, what):
    places = {
        "segments": list(open_store.glob("embeddings/enc_int8*/2*/*/*")),
        "database": [open_store / "proteins.lmdb"],
        "tasks": list(open_store.glob("tasks/*")),
        "encoder": list(open_store.glob("embeddings/enc_int8*")),
        "seal": [seal_path(open_store / "tokens/alphafold2.lmdb")],
    }[what]
    for place in places:
        place.chmod(0)
    before = contents(open_store)
    bad, unreadable, repaired = in_child(lambda: os.setuid(NOBODY), lambda: judge(open_store))[
        "result"
    ]
    assert bad == []
    assert unreadable
    assert "nothing was changed" in repaired
    assert "Permission denied" in repaired
    assert contents(open_store) == before


LITTLE_MEMORY = """
import json, resource, sys
from pathlib import Path

from sesstore.errors import StoreAccessError
from sesstore.store.integrity import verify
from sesstore.store.repair import repair

# Enough for all that is imported; not for the map of a database, 1 GiB.
resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))
report = verify(Path(sys.argv[1]))
try:
    repaired = repair(Path(sys.argv[1])).to_json()
except StoreAccessError as problem:
    repaired = str(problem)
print(json.dumps([[f.where for f in report.bad], [f.where for f in report.unreadable], repaired]))
"""


def test_no_memory_is_no_damage(filled):
    """In a process of its own: how much a test's process maps depends on the tests before it."""
    root = filled.store.path
    seal_path(root / "proteins.lmdb").unlink()  # so that a child process walks it
    before = contents(root)
    command = [sys.executable, "-c", LITTLE_MEMORY, str(root)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    bad, unreadable, repaired = json.loads(said.stdout)
    assert bad == []
    assert {"proteins.lmdb", "tokens/alphafold2.lmdb"} <= set(unreadable)
    assert "nothing was changed" in repaired
    assert contents(root) == before


def test_too_many_open_files_is_no_damage(filled):
    root = filled.store.path
    before = contents(root)
    bad, unreadable, repaired = in_child(few_files, lambda: judge(root))["result"]
    assert bad == []
    assert unreadable
    assert "Too many open files" in repaired
    assert contents(root) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_reading_and_writing_say_what_is_refused(open_store, kit):
    for path in open_store.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o600)
    answer = in_child(lambda: os.setuid(NOBODY), lambda: repr(Store.open(open_store)))
    assert answer["kind"] == "StoreAccessError"
    (open_store / "zarr.json").chmod(0o644)
    for path in (open_store / "embeddings").rglob("zarr.json"):
        path.chmod(0o644)
    more: list[Callable[[], object]] = [
        lambda: Store.open(open_store).count_proteins(),
        lambda: len(Store.open(open_store).embeddings("enc_int8")),
        lambda: Store.open(open_store).task("toy").name,
        lambda: Store.open(open_store).add_task(kit.task(kit.proteins(4), "new")),
        lambda: compact(Store.open(open_store)).to_json(),
    ]
    for attempt in more:
        answer = in_child(lambda: os.setuid(NOBODY), attempt)
        assert answer["kind"] == "StoreAccessError"
        assert "Permission denied" in answer["said"]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EIO, "Look after the disk or the mount"),
        (errno.ESTALE, "Look after the disk or the mount"),
        (errno.ENOMEM, "Give the process more memory"),
        (errno.EROFS, "Work on a copy"),
        (errno.EMFILE, "Let the process open more files"),
        (errno.ENFILE, "Wait until other processes"),
        (errno.EACCES, "Ask its owner for permission"),
        (errno.EPERM, "Ask its owner for permission"),
    ],
)
def test_a_refusal_names_the_place_and_what_to_do(code, advice):
    """LMDB, too, which says the reason in words only."""
    reason = os.strerror(code)
    for problem in (OSError(code, reason), lmdb.Error(f"/a: b: {reason}")):
        assert is_refusal(problem)
        said = str(refusal("here", problem))
        assert said.startswith(f"here could not be read or written: {reason}. That says nothing")
        assert f". {advice}" in said
        assert said.endswith("run the same command again")


def test_memory_is_what_is_short_however_it_is_said():
    for problem in (MemoryError(), lmdb.MemoryError("x: Cannot allocate memory")):
        assert "Give the process more memory" in str(refusal("here", problem))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_an_error_of_its_own(code):
    for problem in (OSError(code, os.strerror(code)), lmdb.Error(f"/a: {os.strerror(code)}")):
        assert is_refusal(problem)
        said = refusal("here", problem)
        assert isinstance(said, StorageFullError)
        assert "no space left for here" in str(said)


@pytest.mark.parametrize(
    "kind",
    [
        lmdb.MemoryError,
        lmdb.DiskError,
        lmdb.ReadonlyError,
        lmdb.LockError,
        lmdb.ReadersFullError,
        lmdb.TlsFullError,
        lmdb.TxnFullError,
    ],
)
def test_what_lmdb_cannot_do_here_is_no_damage(kind):
    assert is_refusal(kind("x"))
    said = refusal("here", kind("x: why"))
    assert type(said) is StoreAccessError
    assert ("here could not be read or written: x: why." in str(said)) == (kind != lmdb.MemoryError)


def test_the_innermost_place_is_named_and_the_cause_is_kept():
    cause = OSError(errno.EIO, "bad")
    with (
        pytest.raises(StoreAccessError, match=r"^inner could not") as said,
        system_errors("outer"),
        system_errors("inner"),
    ):
        raise cause
    assert said.value.__cause__ is cause
    assert refusal("outer", said.value) is said.value
    assert is_refusal(said.value)


def test_where_the_system_does_not_say_nothing_is_taken_as_gone(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "lstat", denied)
    with pytest.raises(StoreAccessError, match=f"^{tmp_path / 'x'} could not be read"):
        is_there(tmp_path / "x")


def test_what_lies_there_is_no_refusal(tmp_path):
    for problem in (FileNotFoundError(2, "x"), CorruptStoreError("x"), OSError("x"), KeyError()):
        assert not is_refusal(problem)
    names = [
        "ENOENT",
        "ENOTDIR",
        "EISDIR",
        "EEXIST",
        "ENOTEMPTY",
        "ELOOP",
        "ENAMETOOLONG",
        "EINVAL",
    ]
    for code in (getattr(errno, name) for name in names):
        assert not is_refusal(OSError(code, os.strerror(code)))
        assert not is_refusal(lmdb.Error(f"/a: {os.strerror(code)}"))
    assert not is_refusal(None)
    for kind in (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError):
        with pytest.raises(kind), system_errors(tmp_path):
            raise kind("x: y")
    assert not is_refusal(lmdb.CorruptedError("x: MDB_CORRUPTED: Located page was wrong type"))
    assert is_refusal(lmdb.Error("/a: b: Input/output error"))
    assert is_refusal(lmdb.MemoryError("x: Cannot allocate memory"))
    assert is_refusal(MemoryError())
    assert isinstance(refusal("here", OSError(errno.ENOSPC, "full")), StorageFullError)
    with pytest.raises(FileNotFoundError), system_errors(tmp_path):
        (tmp_path / "none").read_bytes()
    (tmp_path / "link").symlink_to("nowhere")
    assert is_there(tmp_path / "link")
    assert not is_there(tmp_path / "none" / "x")
