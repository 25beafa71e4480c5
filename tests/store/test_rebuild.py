"""What can be read of a broken database is kept; it stays until its replacement is whole."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path

import pytest

from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.store.database import close_database
from sesstore.store.integrity import verify
from sesstore.store.repair import repair

NAMES = ["proteins.lmdb", "tokens/alphafold2.lmdb"]


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """A store whose databases have branch pages, long values, and further ids."""
    from .conftest import fill, proteins

    filled = fill(tmp_path_factory.mktemp("larger") / "store", 300, ("float16",))
    known = proteins(300)
    filled.store.add_proteins([Protein(f"other {p.id}", p.sequence) for p in known[:40]])
    return filled


@pytest.fixture
def store(larger, tmp_path) -> Store:
    shutil.copytree(larger.store.path, tmp_path / "s", ignore=shutil.ignore_patterns("*-lock"))
    return Store.open(tmp_path / "s")


def contents(root: Path, name: str) -> dict[bytes, object]:
    """Everything one database holds, as the store reads it."""
    store = Store.open(root)
    if name == "proteins.lmdb":
        return {p.digest: p.sequence for p in store.proteins()}
    return {
        t.digest: {**{n: c.tobytes() for n, c in t.codes.items()}, "plddt": t.plddt.tobytes()}
        for t in store.tokens("alphafold2")
    }


def cut(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share) // 4096 * 4096)


def zero(path: Path, pages: range) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(4096 * page)
            file.write(bytes(4096))


@pytest.mark.parametrize("name", NAMES)
def test_zeroed_first_pages_lose_nothing(store, larger, name):
    expected = contents(larger.store.path, name)
    zero(store.path / name, range(2))
    report = repair(store.path)
    assert report.rebuilt == report.set_aside == [name]
    assert not report.lost
    assert contents(store.path, name) == expected
    assert store.find_id("other p3") == larger.store.find_id("other p3") != []
    assert verify(store.path).ok
    assert verify(store.path).notes == []


@pytest.mark.parametrize("entered", [True, False])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", NAMES)
def test_what_lies_before_a_cut_is_kept_and_the_rest_counted(store, larger, name, share, entered):
    expected = contents(larger.store.path, name)
    cut(store.path / name, share)
    if not entered:  # a store of before
        shutil.rmtree(store.path / "manifest")
    raw = (store.path / name).read_bytes()
    report = repair(store.path)
    found = contents(store.path, name)
    assert found.items() <= expected.items()
    lost = {digest.hex() for digest in expected.keys() - found.keys()}
    assert report.lost or not lost
    if name == "proteins.lmdb":
        called = {p.digest.hex(): p.id for p in Store.open(store.path).proteins()}
        assert report.ids_lost == sorted(d for d, name in called.items() if d.startswith(name))
    if name == "proteins.lmdb":  # embeddings and tokens still name every one
        assert set(report.sequences_lost) == lost
    elif lost:
        named = report.tokens_lost["alphafold2"]
        assert set(named) <= lost
        more = report.unnamed.get(name, 0)
        assert more is None or len(named) + more == len(lost)
        assert more is not None or not entered
    assert any(path.read_bytes() == raw for path in (store.path / "set-aside").iterdir())
    assert verify(store.path).ok
    if share == 0.9:
        assert len(found) > len(expected) / 2


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", NAMES)
def test_rubbish_on_some_pages_ends_nothing_and_is_counted(store, larger, name, seed):
    expected = contents(larger.store.path, name)
    path = store.path / name
    zero(path, range(2 + seed, path.stat().st_size // 4096, 5))
    with path.open("r+b") as file:
        file.seek(4096 * (3 + seed))
        file.write(os.urandom(4096))
    report = repair(store.path)
    found = contents(store.path, name)
    assert found.items() <= expected.items()
    assert report.lost or len(found) == len(expected)
    assert report.origins_lost or {t.tool for t in store.tokens("alphafold2")} == {"mini3di 0.2"}
    assert verify(store.path).ok


def limited(work, limit: int) -> int:
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            os._exit(work())
        except BaseException as problem:
            os.write(2, repr(problem).encode())
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("name", NAMES)
def test_without_room_the_broken_file_stays(store, name):
    path = store.path / name
    cut(path, 0.9)
    before = path.read_bytes()

    def work() -> int:
        report = repair(store.path)
        said = " ".join(report.failed)
        assert name in said, said
        assert "no space left" in said, said
        return 7 if not report.set_aside else 1

    assert limited(work, 68_000) == 7
    assert path.read_bytes() == before
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".")]
    assert repair(store.path).rebuilt == [name]


def dying_at(step: str, count: int, root: Path) -> int:
    """Exit status of a repair that is killed on the n-th call of a step."""
    child = os.fork()
    if child == 0:
        real, calls = getattr(os, step), iter(range(1, 10**6))

        def dying(*args, **kwargs):
            if next(calls) == count:
                os._exit(9)
            return real(*args, **kwargs)

        try:
            setattr(os, step, dying)
            repair(root)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("step", ["link", "rename", "unlink"])
def test_a_repair_killed_at_any_step_leaves_a_file_in_its_place(store, larger, step):
    name = "proteins.lmdb"
    expected = contents(larger.store.path, name)
    path = store.path / name
    zero(path, range(2))
    for count in range(1, 4):
        ended = dying_at(step, count, store.path)
        assert path.exists()
        if ended == 0:
            break
    close_database(path)
    repair(store.path)
    assert contents(store.path, name) == expected
    assert verify(store.path).ok


def test_a_link_is_left_alone_and_said(store, tmp_path):
    segment = store.embeddings().segments[0].path
    segment.rename(tmp_path / "elsewhere")
    segment.symlink_to(tmp_path / "elsewhere")
    report = repair(store.path)
    assert segment.is_symlink()
    assert "it is a link" in report.failed[0]
    assert not report.set_aside
