"""Several processes around one store: writers, readers, compaction, cleanups, pulls, two people."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sesstore.errors import NotStoredError, UnknownNameError
from sesstore.residues import to_storage
from sesstore.sharing.pull import merge, pull
from sesstore.sharing.push import push
from sesstore.store import Store
from sesstore.store.compaction import compact, gc

from . import workload
from .children import Child, share

Problems = list[str]
Situation = Callable[[Path, Path, float, random.Random], Problems]
"""Given a store to fill, a full one, how long the work takes; returns what went wrong."""


_BUSY = "another compaction"
"""What the second of two compactions says, and rightly."""


def _beside(path: Path, other: Callable[[], object], *, uid: int | None = None) -> Problems:
    """Do the work while another process does something else, again and again."""
    worker = Child.start(lambda: workload.run(path), path.with_suffix(".log"))

    def again() -> None:
        while worker_runs():
            other()

    def worker_runs() -> bool:
        return Path(f"/proc/{worker.pid}/stat").read_text().split(") ")[1][0] != "Z"

    neighbour = Child.start(again, path.with_suffix(".neighbour.log"), uid)
    statuses = neighbour.wait(), worker.wait()
    children = (neighbour, worker)
    failed = [c.text for c, status in zip(children, statuses, strict=True) if status]
    return [text for text in failed if _BUSY not in text]


def _collect(path: Path) -> None:
    if (path / "zarr.json").exists():
        gc(Store.open(path), older_than=0)


def _compact(path: Path) -> None:
    if (path / "embeddings" / "zarr.json").exists():
        try:
            compact(Store.open(path))
        except RuntimeError as problem:
            if _BUSY not in str(problem):
                raise


def _read(path: Path) -> None:
    """Everything a reader sees is right."""
    if not (path / "embeddings" / "zarr.json").exists():
        return
    store = Store.open(path)
    try:
        view, tokens = store.embeddings(), store.tokens(workload.SOURCE)
    except (NotStoredError, UnknownNameError):
        return
    for protein, made in zip(
        workload.PROTEINS, workload.ENCODER.encode(workload.PROTEINS), strict=True
    ):
        if protein.digest in view:
            expected = to_storage(made, "float16").values
            np.testing.assert_array_equal(view.get(protein.digest), expected)
        found = tokens.get(protein.digest)
        if found is not None:
            np.testing.assert_array_equal(found.plddt, workload.tokens_of(protein).plddt)


def gc_beside(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    return _beside(path, lambda: _collect(path))


def compact_beside(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    return _beside(path, lambda: _compact(path))


def reader_beside(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    return _beside(path, lambda: _read(path))


def stranger_beside(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    """A reader who may not write: LMDB does not know of it."""
    return _beside(path, lambda: _read(path), uid=54_003)


def two_writers(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    children = [
        Child.start(lambda: workload.run(path), path.with_suffix(f".{number}.log"))
        for number in range(2)
    ]
    return [c.text for c in children if c.wait() and _BUSY not in c.text]


def killed_beside(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    """One of two writers is killed; the other goes on."""
    victim = Child.start(lambda: workload.run(path), path.with_suffix(".victim.log"))
    worker = Child.start(lambda: workload.run(path), path.with_suffix(".log"))
    victim.end(rng.uniform(0, seconds))
    failed = worker.wait() and _BUSY not in worker.text
    return [worker.text] if failed else []


def two_people(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    """One of a group begins and is killed, another goes on in the shared folder."""
    share(path, 54_001)
    first = Child.start(lambda: workload.run(path), path.with_suffix(".first.log"), uid=54_001)
    first.end(rng.uniform(0, 2 * seconds))
    second = Child.start(lambda: workload.run(path), path.with_suffix(".log"), uid=54_002)
    return [second.text] if second.wait() else []


def two_pulls(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    children = [
        Child.start(lambda: pull(path, str(full)), path.with_suffix(f".{number}.log"))
        for number in range(2)
    ]
    return [child.text for child in children if child.wait()]


def pull_killed(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    child = Child.start(lambda: pull(path, str(full)), path.with_suffix(".log"))
    child.end(rng.uniform(0, seconds))
    again = Child.start(lambda: pull(path, str(full)), path.with_suffix(".log"))
    return [again.text] if again.wait() else []


def merge_beside(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    worker = Child.start(lambda: workload.run(path), path.with_suffix(".log"))
    merger = Child.start(lambda: merge(path, Store.open(full)), path.with_suffix(".merge.log"))
    return [child.text for child in (merger, worker) if child.wait()]


def push_killed(path: Path, full: Path, seconds: float, rng: random.Random) -> Problems:
    """A push is killed and done again, a cleanup runs beside it; what arrives is whole."""
    there = path.with_suffix(".remote")
    mine = path.with_suffix(".mine")
    shutil.copytree(full, mine)
    child = Child.start(lambda: push(Store.open(mine), str(there)), path.with_suffix(".log"))
    child.end(rng.uniform(0, seconds))
    again = Child.start(lambda: push(Store.open(mine), str(there)), path.with_suffix(".log"))
    cleanup = Child.start(lambda: _clean(there), path.with_suffix(".gc.log"))
    problems = [c.text for c in (cleanup, again) if c.wait()]
    last = Child.start(lambda: pull(path, str(there)), path.with_suffix(".pull.log"))
    problems += [last.text] if last.wait() else []
    shutil.rmtree(there, ignore_errors=True)
    shutil.rmtree(mine)
    return problems


def _clean(there: Path) -> None:
    for _ in range(5):
        _collect(there)


SITUATIONS: dict[str, Situation] = {
    "gc beside a writer": gc_beside,
    "compact beside a writer": compact_beside,
    "a reader beside a writer": reader_beside,
    "a reader without permission beside a writer": stranger_beside,
    "two writers": two_writers,
    "a writer killed beside another": killed_beside,
    "two people in a shared folder": two_people,
    "two pulls into one store": two_pulls,
    "a pull killed": pull_killed,
    "a merge beside a writer": merge_beside,
    "a push killed, a cleanup beside the next": push_killed,
}
"""Each leaves a store at the path, full if nothing went wrong."""

AS_ROOT = {"a reader without permission beside a writer", "two people in a shared folder"}
