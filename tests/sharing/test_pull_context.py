"""What a pull takes, by names and selections."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sesstore.errors import (
    NotStoredError,
    StorageFullError,
    UnknownNameError,
)
from sesstore.sharing.pull import pull
from sesstore.sharing.pull_context import (
    PullContext,
    PullReport,
    Selection,
    select_names,
)
from sesstore.store import Store


def test_lists_encoders_and_sources(shared, kit, tmp_path):
    mine = Store.create(tmp_path / "mine")
    chosen = Selection(ids=("s0p3", "other-name", shared.find_id("s0p5")[0].hex()), plms=("int",))
    report = pull(mine, str(shared.path), chosen)
    assert report.proteins == 3
    assert [p.fingerprint.encoder for p in mine.encoders()] == ["int"]
    assert {p.id for p in mine.proteins()} == {"s0p0", "s0p3", "s0p5"}
    assert mine.find_id("other-name") == mine.find_id("s0p0")
    assert len(mine.tokens("alphafold2")) == 1
    assert mine.tasks() == []
    bare = Store.create(tmp_path / "bare")
    pull(bare, str(shared.path), Selection(plms=(), sources=()))
    assert (bare.encoders(), bare.sources(), bare.tasks()) == ([], [], ["toy"])
    assert bare.count_proteins() == 200


@pytest.mark.parametrize(
    ("selection", "kind"),
    [
        (Selection(tasks=("toys",)), UnknownNameError),
        (Selection(plms=("esm2",)), UnknownNameError),
        (Selection(sources=("pdb",)), UnknownNameError),
        (Selection(ids=("nobody",)), NotStoredError),
        (Selection(ids=("s0p3", "ab" * 32)), NotStoredError),  # the digest of none there
    ],
)
def test_what_is_not_there_is_said(shared, tmp_path, selection, kind):
    mine = Store.create(tmp_path / "mine")
    with pytest.raises(kind):
        pull(mine, str(shared.path), selection)
    assert not mine.count_proteins()
    with pytest.raises(kind):
        pull(tmp_path / "new", str(shared.path), selection)
    assert not (tmp_path / "new").exists()


def test_a_whole_name_goes_before_names_that_begin_with_it(kit, tmp_path):
    made = (kit.provenance(), kit.provenance("enc-large"))
    store = kit.fill(tmp_path / "store", kit.proteins(10), made)
    for asked, encoders in (
        ("enc", {"enc"}),
        ("ENC-L", {"enc-large"}),
        ("en", {"enc", "enc-large"}),
        (made[1].fingerprint.digest[:9], {"enc-large"}),
    ):
        mine = tmp_path / asked
        pull(mine, str(store.path), Selection(plms=(asked,)))
        assert {p.fingerprint.encoder for p in Store.open(mine).encoders()} == encoders


def test_what_is_missing_is_counted_for_the_encoder_that_lacks_most(kit, tmp_path):
    proteins, made = kit.proteins(10), kit.provenance
    store = kit.fill(tmp_path / "store", proteins, (made("most"), made("none"), made("some")))
    for name, count in (("none", 0), ("some", 7)):
        shutil.rmtree(store.encoder_folder(made(name).fingerprint))
        store = Store.open(store.path)
        with store.writer(made(name), {}) as writer:
            for protein in proteins[:count] or proteins[9:]:
                writer.add(kit.embedding(protein, made(name)))
    chosen = Selection(ids=tuple(p.id for p in proteins[:8]))
    report = pull(tmp_path / "mine", str(store.path), chosen)
    assert report.missing == 8
    assert pull(tmp_path / "b", str(store.path), replace(chosen, plms=("some",))).missing == 1
    assert pull(tmp_path / "c", str(store.path), replace(chosen, plms=("most",))).missing == 0


@pytest.mark.parametrize("name", ["proteins", "tokens", "embeddings", "tasks", None])
def test_anything_new_is_noticed(name):
    report = PullReport("there", 999, segments=1, conflicts=["task t"], missing=3)
    if name is not None:
        setattr(report, name, ["t"] if name == "tasks" else 1)
    assert report.anything is (name is not None)


@pytest.mark.parametrize(
    ("selection", "everything"),
    [(Selection(), True), (Selection(plms=("x",), sources=()), True),
     (Selection(tasks=("t",)), False), (Selection(ids=("p",)), False)],
)  # fmt: skip
def test_without_tasks_and_ids_all_proteins_are_meant(selection, everything):
    assert selection.everything is everything


@pytest.mark.parametrize(("free", "fits"), [(1234, True), (1233, False)])
def test_a_pull_may_fill_the_disk_and_no_more(monkeypatch, tmp_path, free, fits):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    store = SimpleNamespace(path=tmp_path)
    context = PullContext(store, None, None, None, PullReport("there"))
    if fits:
        context.check_room(1234, "embeddings")
    else:
        with pytest.raises(StorageFullError, match="1,234 bytes of embeddings would come, 1,233"):
            context.check_room(1234, "embeddings")


def test_names_are_all_or_those_that_are_chosen():
    assert select_names("source", iter("ab"), None) == ["a", "b"]
    assert select_names("source", "ab", ("b",)) == ["b"]
    assert select_names("source", "ab", ()) == []
    with pytest.raises(UnknownNameError, match="source of the shared store"):
        select_names("source", "ab", ("b", "c"))
