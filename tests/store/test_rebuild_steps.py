"""A new database takes the place of a broken one step by step; what fails leaves the old one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sesstore.errors import StoreError
from sesstore.store import Store
from sesstore.store import rebuild as module
from sesstore.store.lmdb_check import RecordCheck
from sesstore.store.lmdb_seals import seal_path
from sesstore.store.manifest import is_entered
from sesstore.store.rebuild import named_without_sequence, rebuild

NAMES = ["proteins.lmdb", "tokens/alphafold2.lmdb"]


@pytest.fixture
def store(filled) -> Store:
    return filled.store


def steps_of(monkeypatch) -> list[tuple[str, ...]]:
    """Names of what is fsynced, linked and renamed from now on."""
    steps: list[tuple[str, ...]] = []
    fsync, link, rename = os.fsync, os.link, os.rename

    def synced(handle: int) -> None:
        steps.append(("fsync", Path(os.readlink(f"/proc/self/fd/{handle}")).name))
        fsync(handle)

    def named(kind: str, real):
        def call(old, new):
            steps.append((kind, Path(old).name, Path(new).name))
            real(old, new)

        return call

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", named("link", link))
    monkeypatch.setattr(os, "rename", named("rename", rename))
    return steps


def test_the_new_file_is_on_disk_before_it_takes_the_place(store, monkeypatch):
    """And the old one lies aside by then; a seal of the old would blame the new one."""
    path, aside = store.path / NAMES[0], store.path / "set-aside" / "old"
    aside.parent.mkdir()
    old = path.read_bytes()
    monkeypatch.setattr(module.secrets, "token_hex", lambda count: "ab" * count)
    steps, beside = steps_of(monkeypatch), f".{'ab' * 6}.proteins.lmdb"
    saved = rebuild(path, aside)
    assert (saved.proteins, saved.lost) == (len({p.digest for p in store.proteins()}), [])
    expected = [
        ("fsync", beside),
        ("link", path.name, "old"),
        ("fsync", "set-aside"),
        ("rename", beside, path.name),
        ("fsync", store.path.name),
    ]
    assert [step for step in steps if step in expected][-5:] == expected
    assert aside.read_bytes() == old
    assert not seal_path(path).exists()
    assert not is_entered(path)
    assert not [file for file in path.parent.iterdir() if beside in file.name]


def test_where_nothing_can_be_linked_the_old_file_is_moved_or_put_back(store, monkeypatch):
    path, aside = store.path / NAMES[1], store.path / "set-aside" / "old"
    aside.parent.mkdir()
    old, rename = path.read_bytes(), os.rename

    def no_link(*_):
        raise OSError(95, "Operation not supported")

    def failing(source, target):
        if Path(target) == path and Path(source) != aside:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "link", no_link)
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", failing)
        with pytest.raises(StoreError, match="Input/output error"):
            rebuild(path, aside)
    assert path.read_bytes() == old
    assert not aside.exists()
    rebuild(path, aside)
    assert aside.read_bytes() == old
    assert len(list(store.tokens("alphafold2"))) == len(store.tokens("alphafold2")) > 0


def test_a_new_file_that_cannot_be_read_back_replaces_nothing(store, monkeypatch):
    path, aside = store.path / NAMES[0], store.path / "set-aside" / "old"
    aside.parent.mkdir()
    before = sorted(file.name for file in path.parent.iterdir() if "-lock" not in file.name)
    old, seal = path.read_bytes(), seal_path(path).read_bytes()
    monkeypatch.setattr(module, "check_records", lambda path: RecordCheck(problems=["it is odd"]))
    with pytest.raises(StoreError, match=r"cannot be read \(it is odd\).* still in its place"):
        rebuild(path, aside)
    assert (path.read_bytes(), seal_path(path).read_bytes()) == (old, seal)
    assert is_entered(path)
    assert not aside.exists()
    assert before == sorted(f.name for f in path.parent.iterdir() if "-lock" not in f.name)


def test_whatever_names_a_protein_without_a_sequence_is_asked(filled, kit):
    """Embeddings, tokens and tasks; those that are damaged say nothing, and stop nothing."""
    root, store = filled.store.path, filled.store
    assert named_without_sequence(root) == set()
    embedded, tokenised, labelled = kit.proteins(33)[30:]
    with store.writer(filled.provenances[0], {}) as writer:
        writer.add(kit.embedding(embedded, filled.provenances[0]))
    store.add_tokens([kit.tokens(tokenised, "pdb")], {})
    store.add_task(kit.task([filled.proteins[0], labelled], "other"))
    assert named_without_sequence(root) == {p.digest.hex() for p in (embedded, tokenised, labelled)}
    (root / "tasks/aaa.jsonl").write_bytes(b"rubbish\n")
    (store.embeddings("enc_int8").segments[0].path / "digests/c.0.0").unlink()
    (root / "tokens/aaa.lmdb").write_bytes(b"rubbish" * 4096)
    assert len(named_without_sequence(root)) == 3
    for file in root.glob("proteins.lmdb*"):
        file.unlink()
    everything = {p.digest.hex() for p in filled.proteins}
    assert named_without_sequence(root) == everything | {
        p.digest.hex() for p in (embedded, tokenised, labelled)
    }
