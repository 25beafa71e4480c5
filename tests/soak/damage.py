"""Damage to a full store: `verify` sees it, `repair` says what is gone and touches no more."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

from sesstore.errors import SesstoreError, StoreError
from sesstore.store.integrity import verify
from sesstore.store.repair import repair

from . import workload
from .children import Child
from .interruptions import open_files

Problems = list[str]
_PAGE = 4096


def _file(path: Path, pattern: str, rng: random.Random) -> Path:
    return rng.choice(sorted(path.glob(pattern)))


def _cut(file: Path, rng: random.Random) -> None:
    os.truncate(file, rng.randrange(1, file.stat().st_size))


def segment_cut(path: Path, rng: random.Random) -> None:
    _cut(_file(path, "embeddings/*/*/*/c.*", rng), rng)


def database_cut(path: Path, rng: random.Random) -> None:
    _cut(_file(path, rng.choice(["*.lmdb", "tokens/*.lmdb"]), rng), rng)


def meta_pages_gone(path: Path, rng: random.Random) -> None:
    with _file(path, rng.choice(["*.lmdb", "tokens/*.lmdb"]), rng).open("r+b") as file:
        file.write(bytes(2 * _PAGE))


def page_gone(path: Path, rng: random.Random) -> None:
    with _file(path, rng.choice(["*.lmdb", "tokens/*.lmdb"]), rng).open("r+b") as file:
        file.seek(rng.randrange(2, file.seek(0, os.SEEK_END) // _PAGE) * _PAGE)
        file.write(rng.randbytes(_PAGE))


def shard_rewritten(path: Path, rng: random.Random) -> None:
    with _file(path, "embeddings/*/*/values/c.*", rng).open("r+b") as file:
        file.seek(rng.randrange(file.seek(0, os.SEEK_END) - 64))
        file.write(rng.randbytes(64))


def file_gone(path: Path, rng: random.Random) -> None:
    _file(path, "embeddings/*/*/*/c.*", rng).unlink()


DAMAGE: dict[str, Callable[[Path, random.Random], None]] = {
    "a segment's file cut short": segment_cut,
    "a database cut short": database_cut,
    "a database's meta pages zeroed": meta_pages_gone,
    "a database's page overwritten": page_gone,
    "a shard overwritten": shard_rewritten,
    "a segment's file removed": file_gone,
}
REFUSALS = ["repair without memory", "repair without open files", "repair without permission"]
FULL_REPAIR = "repair on a full disk"
STRAYS = "stray files"
KINDS = [*DAMAGE, *REFUSALS, FULL_REPAIR, STRAYS]


def damage(kind: str, path: Path, rng: random.Random) -> Problems:
    """Do one of `KINDS` to a full store and repair it; what went wrong."""
    log = path.with_suffix(".log")
    if kind == STRAYS:
        return _with_strays(path, rng)
    if kind in REFUSALS:
        return _refused(kind, path, rng, log)
    if kind == FULL_REPAIR:
        return _full_disk(path, rng, log)
    DAMAGE[kind](path, rng)
    problems = [] if not verify(path).ok else ["all is sound, says verify"]
    child = Child.start(lambda: _report(path), log)
    if child.wait():
        return [*problems, child.text]
    return problems + _unnamed(path, (path / "report").read_text())


def _report(path: Path) -> None:
    (path / "report").write_text(json.dumps(repair(path).to_json()))


def _unnamed(path: Path, report: str) -> Problems:
    """What is gone though the report does not name it."""
    (path / "report").unlink()
    after, problems = workload.state_of(path), []
    named = json.loads(report)
    everything = {p.digest for p in workload.PROTEINS}
    places = {"embeddings": "unlisted", "tokens": "tokens_lost", "proteins": "sequences_lost"}
    for what, key in places.items():
        gone = [d for d in everything - getattr(after, what) if d.hex() not in report]
        if gone and not (named.get(key) or named.get("set_aside")):
            problems.append(f"{len(gone)} {what} are gone, and the report says nothing")
    return problems + after.problems


def _with_strays(path: Path, rng: random.Random) -> Problems:
    folders = [path, *(folder for folder in path.rglob("*") if folder.is_dir())]
    for name in (".DS_Store", "._values", "Thumbs.db", "desktop.ini", ".nfs000000001"):
        (rng.choice(folders) / name).write_bytes(b"x" * 6148)
    found = verify(path)
    moved = repair(path).set_aside
    return [f"{fault.where}: {fault.what}" for fault in found.bad] + moved


def _content(path: Path) -> dict[str, bytes]:
    files = (file for file in path.rglob("*") if file.is_file())
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in files
        if not file.name.endswith(("-lock", ".log"))
    }


def _refused(kind: str, path: Path, rng: random.Random, log: Path) -> Problems:
    """A sound store stays as it is when the system refuses what repair needs to judge it."""
    before = _content(path)
    work: Callable[[], object] = lambda: repair(path)  # noqa: E731
    uid = None
    if kind.endswith("memory"):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        room = pages * _PAGE + rng.randrange(1 << 30)
        work = lambda: _limited(resource.RLIMIT_AS, room, path)  # noqa: E731
    elif kind.endswith("files"):
        room = open_files() + rng.randrange(20)
        work = lambda: _limited(resource.RLIMIT_NOFILE, room, path)  # noqa: E731
    elif os.geteuid() == 0:
        for file in path.rglob("*"):
            if file.is_file() and rng.random() < 0.3:
                file.chmod(0o600)
        uid = 54_003
    child = Child.start(work, log, uid)
    status = child.wait()
    problems = [child.text] if status not in (0, 1) else []
    if _content(path) != before:
        problems.append("repair changed a sound store")
    return problems


def _limited(limit: int, room: int, path: Path) -> None:
    resource.setrlimit(limit, (room, room))
    if failed := repair(path).to_json().get("failed"):
        raise StoreError("; ".join(failed))


def _full_disk(path: Path, rng: random.Random, log: Path) -> Problems:
    """What is broken stays where it is until its replacement is whole."""
    file = _file(path, rng.choice(["*.lmdb", "tokens/*.lmdb"]), rng)
    with file.open("r+b") as handle:
        handle.seek(rng.randrange(2, handle.seek(0, os.SEEK_END) // _PAGE) * _PAGE)
        handle.write(rng.randbytes(_PAGE))
    before = file.read_bytes()
    child = Child.start(lambda: _limited(resource.RLIMIT_FSIZE, 30_000, path), log)
    status = child.wait()
    if status == 0:
        return ["repair ended well on a full disk"]
    problems = [child.text] if status != 1 else []
    if not file.exists() or file.read_bytes() != before:
        problems.append(f"{file.name} was moved though nothing took its place")
    return problems


def finish(path: Path) -> Problems:
    """Bring a repaired store to its full content again."""
    for file in path.rglob("*"):
        if file.is_file():
            file.chmod(0o644)
    shutil.rmtree(path / "set-aside", ignore_errors=True)
    try:
        repair(path)
        workload.run(path)
    except SesstoreError as problem:
        return [str(problem)]
    state = workload.state_of(path)
    return state.problems + ([] if state.complete else ["the work did not fill it again"])
