"""An index gives the nearest by their exact cosines, and is never that of other means."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore import cache_folders
from sesstore.encoders import registry
from sesstore.errors import MissingExtraError, SesstoreError
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.means import MeanEncoder, stored_means
from sesstore.neighbours import approximate as module
from sesstore.neighbours.approximate import approximate_index
from sesstore.neighbours.cosine import MeanRows, nearest
from sesstore.neighbours.lookup import Lookup
from sesstore.progress import SILENT
from sesstore.proteins import Protein
from sesstore.store import Embeddings, Store

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


def proteins_of(seed: int, count: int) -> list[Protein]:
    rng = np.random.default_rng(seed)
    return [Protein(f"p{seed}.{i}", "".join(rng.choice(LETTERS, 40))) for i in range(count)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Means in two segments."""
    store = Store.create(tmp_path_factory.mktemp("approximate") / "store")
    for seed in (1, 2):
        members = proteins_of(seed, 400)
        store.add_proteins(members)
        embed(store, MeanEncoder(registry.load("onehot")), members)
    return store


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))
    return cache_folders.cache_folder() / "neighbours"


def means(store: Store) -> Embeddings:
    view = stored_means(store, registry.load("onehot").fingerprint)
    assert view is not None
    return view


def test_cosines_are_exact_and_nearly_all_of_the_nearest_are_there(
    store: Store, cache: Path
) -> None:
    pytest.importorskip("usearch", reason="usearch is not installed")
    rows = MeanRows(means(store))
    queries = np.random.default_rng(3).dirichlet(np.ones(20) * 4, 70).astype(np.float32)
    queries = np.pad(queries, ((0, 0), (0, rows.shape[1] - 20)))
    index = approximate_index(rows)
    exact, found = nearest(queries, [rows], 10), index.nearest(queries, 10)
    shared = [len(set(a) & set(b)) for a, b in zip(exact.rows, found.rows, strict=True)]
    assert np.mean(shared) > 9.5
    values = np.asarray(rows[0 : len(rows)], np.float64)
    for place, query in enumerate(queries.astype(np.float64)):
        members = values[found.rows[place]]
        cosines = members @ query / np.linalg.norm(members, axis=1) / np.linalg.norm(query)
        np.testing.assert_allclose(found.similarity[place], cosines, atol=1e-5)
        assert (np.diff(found.similarity[place]) <= 0).all()
    one = index.nearest(queries[:1], 3)
    np.testing.assert_array_equal(one.rows, found.rows[:1, :3])
    assert index.nearest(queries[:2], 5000).rows.shape == (2, len(rows))
    assert [file.suffix for file in cache.iterdir()] == [".usearch"]


def test_an_index_is_used_again_and_another_set_has_its_own(store: Store, cache: Path) -> None:
    pytest.importorskip("usearch", reason="usearch is not installed")
    view = means(store)
    approximate_index(MeanRows(view))
    (path,) = cache.iterdir()
    built = path.stat().st_ino
    approximate_index(MeanRows(view))
    assert [file.stat().st_ino for file in cache.iterdir()] == [built]
    approximate_index(MeanRows(view, np.arange(500)))
    assert len(list(cache.iterdir())) == 2


def test_what_is_added_later_is_found(store: Store, cache: Path) -> None:
    """An index of what a store had before answers for nothing that it has now."""
    pytest.importorskip("usearch", reason="usearch is not installed")
    fresh = Store.create(cache.parent / "store")
    for seed in (5, 6):
        members = proteins_of(seed, 60)
        fresh.add_proteins(members)
        embed(fresh, MeanEncoder(registry.load("onehot")), members)
        lookup = Lookup(fresh, means(fresh), approximate=True)
        vector = means(fresh).get(members[7].digest)
        ((hit, *_),) = lookup.search([members[7]], np.asarray(vector), 3)
        assert (hit.id, hit.similarity) == (members[7].id, pytest.approx(1, abs=1e-3))


def test_a_broken_index_is_built_anew(store: Store, cache: Path) -> None:
    pytest.importorskip("usearch", reason="usearch is not installed")
    rows = MeanRows(means(store))
    approximate_index(rows)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"no index at all" * 99):
        path.write_bytes(data)
        assert len(approximate_index(rows)) == len(rows)
        assert path.stat().st_size == len(whole)


def test_the_last_few_indices_stay(
    store: Store, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("usearch", reason="usearch is not installed")
    monkeypatch.setattr(module, "FILES", 2)
    view, ages = means(store), {}
    for age, count in enumerate((30, 40, 50)):
        before = set(cache.glob("*"))
        approximate_index(MeanRows(view, np.arange(count)))
        (path,) = set(cache.glob("*")) - before
        ages[count] = path
        os.utime(path, (1000 + age, 1000 + age))
    assert set(cache.iterdir()) == {ages[40], ages[50]}


def test_an_index_that_another_process_removes_meanwhile_is_no_error(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both drop what is old; one of the files is listed, and gone when it is looked at."""
    cache.mkdir(parents=True)
    for age in range(4):
        (cache / f"{age}.usearch").touch()
        os.utime(cache / f"{age}.usearch", (1000 + age, 1000 + age))
    real = Path.glob

    def glob(self: Path, pattern: str) -> list[Path]:
        return [*real(self, pattern), cache / "gone.usearch"]

    monkeypatch.setattr(module, "FILES", 2)
    monkeypatch.setattr(Path, "glob", glob)
    module._drop_old(cache)
    assert sorted(file.name for file in cache.iterdir()) == ["2.usearch", "3.usearch"]


def test_what_it_needs_is_told_before_anything_is_written(
    store: Store, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = MeanRows(means(store))
    with monkeypatch.context() as absent:
        absent.setitem(sys.modules, "usearch.index", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'sesstore\[search\]'"):
            approximate_index(rows)
    pytest.importorskip("usearch", reason="usearch is not installed")
    with monkeypatch.context() as small:
        small.setattr(module, "available_memory", lambda: 1000)
        with pytest.raises(SesstoreError, match=r"1\.0 kB are free. Search exactly"):
            approximate_index(rows)
    assert not cache.exists()
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.raises(SesstoreError, match="SESSTORE_CACHE"):
        approximate_index(rows)


class Notes(type(SILENT)):
    """Progress that remembers what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.stages: list[tuple[str, int, str]] = []
        self.amounts: list[int] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def stage(self, name: str, total: int, unit: str):
        self.stages.append((name, total, unit))
        return nullcontext(SimpleNamespace(advance=self.amounts.append))


def test_an_index_that_was_used_stays_and_what_is_done_is_told(
    store: Store, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build says so first; a use makes it the last that was used, and says nothing."""
    pytest.importorskip("usearch", reason="usearch is not installed")
    monkeypatch.setattr(module, "FILES", 2)
    view, paths, told = means(store), {}, Notes()
    for age, count in enumerate((30, 40)):
        before = set(cache.glob("*"))
        approximate_index(MeanRows(view, np.arange(count)), told)
        (paths[count],) = set(cache.glob("*")) - before
        os.utime(paths[count], (1000 + age, 1000 + age))
    assert told.notes[0] == f"an index of 30 proteins is built first, and kept in '{cache}'"
    assert told.stages == [("indexing", 30, "proteins"), ("indexing", 40, "proteins")]
    approximate_index(MeanRows(view, np.arange(30)), told)
    assert len(told.notes) == 2
    approximate_index(MeanRows(view, np.arange(50)))
    assert paths[30].exists()
    assert not paths[40].exists()
    paths[30].write_bytes(b"no index")
    approximate_index(MeanRows(view, np.arange(30)), told)
    assert f"the index '{paths[30]}' cannot be read and is built anew" in told.notes[2]


def test_its_name_is_that_of_what_it_was_built_from(store: Store) -> None:
    """Encoder, type, which proteins and in which order, and how its graph is built."""
    view = means(store)
    rows = MeanRows(view, np.arange(20))
    name = module._identity(rows)
    assert name == module._identity(MeanRows(means(store), np.arange(20)))

    def with_(**changes: object) -> str:
        changed = MeanRows(view, np.arange(20))
        for key, value in changes.items():
            setattr(changed, key, value)
        return module._identity(changed)

    provenance = rows.provenance
    layer = replace(provenance.fingerprint, layer=provenance.fingerprint.layer + 1)
    names = {
        name,
        with_(provenance=replace(provenance, fingerprint=layer)),
        with_(provenance=replace(provenance, dtype="int8")),
        with_(digests=rows.digests[::-1]),
        with_(digests=rows.digests[1:]),
    }
    assert len(names) == 5
    with pytest.MonkeyPatch.context() as patch:
        for setting in ("CONNECTIVITY", "EXPANSION"):
            patch.setattr(module, setting, 99)
            names.add(module._identity(rows))
    assert len(names) == 7


def test_it_is_built_where_it_just_fits_and_block_by_block(
    store: Store, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("usearch", reason="usearch is not installed")
    rows = MeanRows(means(store), np.arange(100))
    needed = 100 * (2 * rows.shape[1] + 400)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 33)
    monkeypatch.setattr(module, "available_memory", lambda: needed - 1)
    with pytest.raises(SesstoreError, match=r"an index of 100 proteins takes about .*--in"):
        approximate_index(rows)
    assert not cache.exists()
    monkeypatch.setattr(module, "available_memory", lambda: needed)
    told = Notes()
    index = approximate_index(rows, told)
    assert told.amounts == [33, 33, 33, 1]
    graph = index._index
    assert (graph.connectivity, graph.expansion_add, graph.expansion_search) == (16, 128, 128)
    assert len(index) == 100
    found = index.nearest(np.asarray(rows[0:100]), 1)
    assert found.rows.shape == (100, 1)
    np.testing.assert_allclose(found.similarity, 1, atol=1e-3)
    np.testing.assert_allclose(rows[found.rows[:, 0]], rows[0:100], atol=2e-2)
    assert sorted(p.suffix for p in cache.iterdir()) == [".usearch"]


def test_fewer_than_are_wanted_are_filled_up(
    store: Store, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By rows of no number, which are like nothing; and as many candidates are compared."""
    pytest.importorskip("usearch", reason="usearch is not installed")
    rows = MeanRows(means(store), np.arange(300))
    index, asked = approximate_index(rows), []
    real = index._candidates

    def two(directions: np.ndarray, count: int) -> list[np.ndarray]:
        asked.append((len(directions), count))
        return [keys[: 2 if number else 9] for number, keys in enumerate(real(directions, count))]

    monkeypatch.setattr(index, "_candidates", two)
    monkeypatch.setattr(module, "_QUERIES", 3)
    found = index.nearest(np.asarray(rows[0:5], np.float32), 4)
    assert [(n, count) for n, count in asked] == [(3, module.EXPANSION), (2, module.EXPANSION)]
    filled = (found.rows == -1).sum(1).tolist()
    assert filled == [0, 2, 2, 0, 2]
    assert (found.similarity[found.rows == -1] == -1).all()
    assert (found.rows[:, :2] >= 0).all()
    asked.clear()
    index.nearest(np.asarray(rows[0:1], np.float32), 20)
    index.nearest(np.asarray(rows[0:1], np.float32), 90)
    assert asked == [(1, 200), (1, 300)]
