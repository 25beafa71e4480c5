from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import (
    FingerprintMismatchError,
    InputError,
    MissingFileError,
    NotStoredError,
)
from sesstore.sharing import fetch
from sesstore.sharing.pull import merge, pull
from sesstore.sharing.pull_context import Selection
from sesstore.sharing.push import push
from sesstore.store import Store
from sesstore.store.diff import compare_stores
from sesstore.store.integrity import verify


def same(one: Store, other: Store) -> bool:
    return verify(other.path).ok and compare_stores(one, other).same


def size_of(path: Path) -> int:
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def test_merge_is_set_union(shared, kit, tmp_path):
    more = kit.proteins(40, seed=1) + kit.proteins(50, seed=0)
    other = kit.fill(tmp_path / "other", more)
    mine = Store.create(tmp_path / "mine")
    first = merge(mine, shared)
    assert same(shared, mine)
    assert (first.proteins, first.tokens, first.embeddings) == (200, 100, 400)
    assert first.segments == len(list(shared.path.glob("embeddings/*/2*")))
    assert (first.partial_segments, first.missing) == (0, 0)
    assert (first.tasks, first.conflicts) == (["toy"], [])
    report = merge(mine, other)
    assert report.proteins == 40
    assert report.tokens == 20  # of every second protein; those of the others are the same here
    assert report.tasks == []
    assert report.conflicts == ["task toy"]
    assert verify(mine.path).ok
    assert len(mine.embeddings("enc")) == 240
    assert set(mine.find_id("other-name")) == {
        *shared.find_id("other-name"),
        *other.find_id("other-name"),
    }
    again = merge(mine, other)
    assert not again.anything
    backwards = Store.create(tmp_path / "backwards")
    merge(backwards, other)
    merge(backwards, shared)
    assert set(map(bytes, backwards.embeddings("int").digests)) == set(
        map(bytes, mine.embeddings("int").digests)
    )
    with pytest.raises(InputError, match="itself"):
        merge(mine, mine)


def test_what_made_it_travels_along(shared, tmp_path):
    mine = Store.create(tmp_path / "mine")
    pull(mine, str(shared.path), Selection(tasks=("toy",)))
    segments = mine.embeddings("enc").segments
    made = next(
        s.attributes["circumstances"] for s in segments if "pulled" in s.attributes["circumstances"]
    )
    (origin, *_) = made["pulled"]["segments"]
    assert made["pulled"]["from"] == str(shared.path)
    assert origin["versions"]
    old, new = shared.tokens("alphafold2"), mine.tokens("alphafold2")
    assert new.provenance() == old.provenance()


@pytest.mark.parametrize("way", ["folder", "ranges", "no ranges", "live"])
def test_only_what_is_needed_comes(shared, kit, tmp_path, file_server, way):
    """A task out of a store ten times as large: at most 1.2 times its own bytes."""
    wide = kit.provenance("wide", dim=320)
    proteins = kit.proteins(400)
    big = kit.fill(tmp_path / "big", proteins, (wide,), segment_bytes=1 << 20)
    rows = proteins[:40]
    alone = kit.fill(tmp_path / "alone", rows, (wide,), segment_bytes=1 << 30)
    alone.add_task(kit.task(rows))
    big.add_task(kit.task(rows))
    push(big, str(big.path))
    where = str(big.path)
    if way == "folder":
        shutil.copytree(big.path, tmp_path / "copy", ignore=shutil.ignore_patterns("*.lmdb*"))
        where = str(tmp_path / "copy")
    elif way != "live":
        where = file_server(big.path, ranges=way == "ranges")
    mine = Store.create(tmp_path / "mine")
    report = pull(mine, where, Selection(tasks=("toy",), plms=("wide",)))
    assert verify(mine.path).ok
    assert same(alone, mine) or mine.find_id("other-name")
    assert len(mine.embeddings()) == 40
    for protein in rows:
        expected = kit.embedding(protein, wide).values
        assert np.array_equal(mine.embeddings().get(protein.digest), expected)
    values = sum(len(p) for p in rows) * 320 * 2
    assert report.bytes <= 1.2 * values
    if way == "ranges":
        again = pull(mine, where, Selection(tasks=("toy",), plms=("wide",)))
        assert not again.anything
        assert again.bytes < 0.2 * values


@pytest.mark.parametrize(("share", "whole"), [(0.5, False), (0.85, False), (0.95, True)])
def test_a_segment_comes_whole_where_most_of_it_is_wanted(kit, tmp_path, share, whole):
    proteins = kit.proteins(100)
    store = kit.fill(tmp_path / "store", proteins, (kit.provenance(),), 1 << 30)
    total, wanted = sum(map(len, proteins)), []
    for protein in proteins:
        if sum(map(len, wanted)) + len(protein) <= share * total:
            wanted.append(protein)
    chosen = Selection(ids=tuple(protein.id for protein in wanted))
    report = pull(tmp_path / "mine", str(store.path), chosen)
    assert (report.segments, report.partial_segments) == ((1, 0) if whole else (0, 1))
    assert report.embeddings == (100 if whole else len(wanted))
    assert report.proteins == report.embeddings


def test_nothing_is_made_where_there_is_nothing_to_pull(tmp_path, file_server):
    with pytest.raises(MissingFileError):
        pull(tmp_path / "mine", str(tmp_path / "none"))
    with pytest.raises(NotStoredError, match="no shared store"):
        pull(tmp_path / "mine", file_server(tmp_path))
    with pytest.raises(InputError, match="ftp"):
        pull(tmp_path / "mine", "ftp://example.org/x")
    with pytest.raises(InputError, match="credentials"):
        pull(tmp_path / "mine", "https://me:secret@example.org/x")
    assert not (tmp_path / "mine").exists()


def test_encoders_of_another_type_are_refused(shared, kit, tmp_path):
    other = kit.provenance("enc", dtype="float32")
    mine = kit.fill(tmp_path / "mine", kit.proteins(5), (other,))
    with pytest.raises(FingerprintMismatchError, match="float32"):
        pull(mine, str(shared.path))
    assert verify(mine.path).ok
    with pytest.raises(FingerprintMismatchError):
        push(shared, str(mine.path))


def test_an_interrupted_pull_goes_on(shared, tmp_path, file_server, monkeypatch):
    push(shared, str(shared.path))
    where = file_server(shared.path)
    mine = Store.create(tmp_path / "mine")
    real, left = fetch._fetch_file, [12]

    def failing(reader, path, entry, place, advance):
        left[0] -= 1
        if left[0] == 0:
            half = next(iter(reader.remote.stream(path)))
            place.write_bytes(half[: len(half) // 2])
            raise OSError("the line is dead")
        return real(reader, path, entry, place, advance)

    monkeypatch.setattr(fetch, "_fetch_file", failing)
    with pytest.raises(OSError, match="dead"):
        pull(mine, where)
    assert verify(mine.path).ok
    unfinished = list(mine.path.glob("embeddings/*/.pull-*"))
    assert unfinished
    monkeypatch.setattr(fetch, "_fetch_file", real)
    full = size_of(shared.path / "embeddings")
    report = pull(mine, where)
    assert report.bytes < full
    assert same(shared, mine)
    assert not list(mine.path.glob("embeddings/*/.pull-*"))


def test_tokens_that_differ_stay_and_are_named(shared, kit, tmp_path):
    proteins = kit.proteins(4)
    mine = kit.fill(tmp_path / "mine", proteins, ())
    mine.add_tokens([kit.tokens(proteins[0], salt=1)], {}, replace=True)
    before = mine.tokens("alphafold2").get(proteins[0].digest)
    report = pull(mine, str(shared.path), Selection(ids=("s0p0", "s0p2")))
    assert report.conflicts == [f"tokens alphafold2/{proteins[0].digest.hex()[:12]}"]
    after = mine.tokens("alphafold2").get(proteins[0].digest)
    assert np.array_equal(before.codes["dssp"], after.codes["dssp"])


@pytest.mark.parametrize("way", ["merge", "pull", "push"])
def test_parts_of_tokens_made_by_several_tools_travel(kit, tmp_path, way):
    """As by the README: 3Di and DSSP from a table, then pLDDT from the models."""
    proteins = kit.proteins(6)
    store, there = Store.create(tmp_path / "store"), tmp_path / "there"
    store.add_proteins(proteins)
    whole = [kit.tokens(p) for p in proteins]
    store.add_tokens([replace(t, plddt=None, tool="a table") for t in whole[:4]], {"run": 1})
    store.add_tokens([replace(t, codes={}, tool="models") for t in whole[2:]], {"run": 2})
    if way == "push":
        push(store, str(there))
    elif way == "merge":
        merge(there, store)
    else:
        pull(there, str(store.path))
    arrived = Store.open(there)
    assert same(store, arrived)
    for protein in proteins:
        made = arrived.tokens("alphafold2").made_by(protein.digest)
        assert made == store.tokens("alphafold2").made_by(protein.digest)


def test_what_was_added_after_a_push_to_itself_comes_too(shared, kit, tmp_path):
    """A store that lives is read as it is, not as its own index says it was."""
    push(shared, str(shared.path))
    shared.add_proteins(kit.proteins(3, seed=9))
    shared.add_task(kit.task(kit.proteins(5), "later"))
    mine = Store.create(tmp_path / "mine")
    pull(mine, str(shared.path))
    assert same(shared, mine)
    assert mine.tasks() == ["later", "toy"]


def test_of_two_publications_of_tokens_the_later_counts(kit, tmp_path, bucket):
    proteins = kit.proteins(12)
    store = kit.fill(tmp_path / "store", proteins, ())
    push(store, bucket)
    changed = kit.tokens(proteins[0], salt=7)
    store.add_tokens([changed], {}, replace=True)
    push(store, bucket)
    for chosen in (Selection(), Selection(ids=("s0p0",))):
        mine = tmp_path / f"mine{len(chosen.ids)}"
        pull(mine, bucket, chosen)
        stored = Store.open(mine).tokens("alphafold2").get(proteins[0].digest)
        assert np.array_equal(stored.codes["foldseek"], changed.codes["foldseek"])


def test_tokens_that_differ_in_plddt_alone_are_named_too(kit, tmp_path):
    proteins = kit.proteins(2)
    theirs = kit.fill(tmp_path / "theirs", proteins, ())
    mine = Store.create(tmp_path / "mine")
    mine.add_proteins(proteins)
    tokens = kit.tokens(proteins[0])
    mine.add_tokens([replace(tokens, plddt=100 - tokens.plddt)], {})
    assert len(pull(mine, str(theirs.path)).conflicts) == 1
