"""Published stores that lost or damaged objects, and what a repair makes of them."""

from __future__ import annotations

import json

import pytest
from sesstore_cli.main import main

from sesstore.errors import NotStoredError, StoreError
from sesstore.sharing import remote_repair, share_paths
from sesstore.sharing.cleanup import SET_ASIDE, remote_gc
from sesstore.sharing.commits import published_index
from sesstore.sharing.fetch import Reader
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.pull import pull
from sesstore.sharing.pull_context import Selection
from sesstore.sharing.push import push
from sesstore.sharing.remote_repair import repair_remote
from sesstore.sharing.uploads import send_segment
from sesstore.store import Store, layout
from sesstore.store.diff import compare_stores
from sesstore.store.integrity import verify

from .conftest import change


@pytest.fixture
def bucket(memory: str) -> str:
    """Object storage in memory: it promises what a server does, without its requests."""
    return memory


def one_of(target: BucketRemote, what: str) -> str:
    """Path of an object an index names."""
    index = published_index(target)
    folder = next(name for name in index.encoders if name.startswith("enc-"))
    segment = next(iter(index.encoders[folder].segments))
    if what == "task":
        return share_paths.task_path(index.tasks["toy"].sha256)
    if what == "sums":
        return share_paths.sums_path(segment)
    if what in ("proteins", "ids", "tokens"):
        return share_paths.bundle_path(next(index.of_kind(what))[0])
    return share_paths.segment_path(folder, segment, what)


PARTS = ["values/c.0.0", "digests/c.0.0", "zarr.json", "proteins", "ids", "tokens", "task"]


@pytest.mark.parametrize("what", PARTS)
@pytest.mark.parametrize("fault", ["missing", "changed"])
def test_what_is_gone_is_sent_again(store, tmp_path, target, what, fault):
    path = one_of(target, what)
    if fault == "missing":
        target.remove([path])
    else:
        change(target, path, tmp_path)
    with pytest.raises(StoreError):
        pull(tmp_path / "before", target.url)
    report = repair_remote(target.url, store, quick=fault == "missing")
    assert len(report.faults) == 1
    assert not report.lost
    assert report.sent is not None
    assert report.sent.files >= 1
    pull(tmp_path / "after", target.url)
    assert verify(tmp_path / "after").ok
    assert compare_stores(store, Store.open(tmp_path / "after")).same
    again = repair_remote(target.url)
    assert (again.faults, again.rebuilt, again.lost) == ({}, [], False)


@pytest.mark.parametrize("what", ["values/c.0.0", "digests/c.0.0", "sums", "proteins", "task"])
def test_what_vanished_is_said_with_a_way_on(tmp_path, target, what):
    """Between the index and its files, for good or for the moment; partial pulls too."""
    target.remove([one_of(target, what)])
    chosen = Selection(ids=("s0p0",)) if what == "sums" else Selection()
    with pytest.raises(NotStoredError, match=r"Run the same command again.*sesstore repair"):
        pull(tmp_path / "mine", target.url, chosen)


def test_without_a_copy_what_is_lost_is_counted(store, tmp_path, target):
    index = published_index(target)
    folder = next(name for name in index.encoders if name.startswith("enc-"))
    (first, second, *_) = index.encoders[folder].segments.items()
    target.remove([share_paths.segment_path(folder, first[0], "values/c.0.0")])
    target.remove([share_paths.segment_path(folder, second[0], "digests/c.0.0")])
    target.remove([one_of(target, "tokens"), one_of(target, "task")])
    report = repair_remote(target.url, quick=True)
    assert len(report.faults) == 4
    assert report.embeddings_lost == {"enc": first[1].proteins + second[1].proteins}
    assert report.records_lost == {"tokens of alphafold2": 20}
    assert report.tasks_lost == ["toy"]
    mine = Store.create(tmp_path / "mine")
    pull(mine, target.url)
    assert verify(mine.path).ok
    assert len(mine.embeddings("enc")) == 40 - report.embeddings_lost["enc"]
    assert push(store, target.url).segments == 2
    assert not repair_remote(target.url).lost


def test_embeddings_that_stand_elsewhere_too_are_not_lost(store, kit, tmp_path, target):
    other = kit.fill(tmp_path / "other", kit.proteins(40), (kit.provenance(),), 1 << 30)
    (segment,) = other.path.glob("embeddings/*/2*")
    lost = one_of(target, "values/c.0.0")
    send_segment(target, segment.parent.name, segment)
    target.remove([lost])
    report = repair_remote(target.url, quick=True)
    assert len(report.faults) == 1
    assert not report.lost


def test_sound_records_of_a_damaged_bundle_are_kept(tmp_path, target):
    change(target, one_of(target, "proteins"), tmp_path, place=40)
    report = repair_remote(target.url)
    assert report.records_lost == {"proteins": 1}
    mine = Store.create(tmp_path / "mine")
    pull(mine, target.url, Selection(plms=(), sources=()))
    assert mine.count_proteins() == 39


@pytest.mark.parametrize("fault", ["missing", "cut", "changed"])
def test_sums_are_made_anew(store, tmp_path, target, fault):
    path = one_of(target, "sums")
    if fault == "missing":
        target.remove([path])
    elif fault == "cut":
        (tmp_path / "cut").write_bytes(b"".join(target.stream(path))[:-1])
        target.put(path, tmp_path / "cut")
    else:
        change(target, path, tmp_path, place=3)
    report = repair_remote(target.url, quick=fault != "changed")
    assert report.rebuilt == [path]
    assert not report.faults
    part = Store.create(tmp_path / "part")
    pull(part, target.url, Selection(ids=("s0p0", "s0p1"), plms=("enc",)))
    assert len(part.embeddings()) == 2


def test_damaged_objects_are_set_aside_until_they_are_removed(tmp_path, target):
    path = one_of(target, "values/c.0.0")
    change(target, path, tmp_path)
    repair_remote(target.url)
    kept = {file.path.split("/", 3)[3] for file in target.listing(SET_ASIDE)}
    assert path in kept
    assert share_paths.INDEX in kept
    assert target.size(path) is None
    assert not remote_gc(target.url, older_than=0).removed
    assert len(remote_gc(target.url, older_than=0, set_aside=True).removed) == len(kept)
    assert not list(target.listing(SET_ASIDE))


def test_nothing_is_moved_before_the_index_names_it_no_longer(tmp_path, target, monkeypatch):
    """A repair that is killed in between takes nothing from readers that was there."""
    path = one_of(target, "values/c.0.0")
    change(target, path, tmp_path)

    def dies(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BucketRemote, "replace_index", dies)
        with pytest.raises(KeyboardInterrupt):
            repair_remote(target.url)
    assert target.size(path) is not None
    assert len(repair_remote(target.url).faults) == 1


def test_what_a_commit_record_names_is_repaired_too(kit, tmp_path, target):
    other = kit.fill(tmp_path / "other", kit.proteins(9, seed=3), (kit.provenance(),))
    (segment,) = other.path.glob("embeddings/*/2*")
    send_segment(target, segment.parent.name, segment)
    target.remove([share_paths.segment_path(segment.parent.name, segment.name, "values/c.0.0")])
    report = repair_remote(target.url, quick=True)
    assert len(report.faults) == 1
    assert report.embeddings_lost == {"enc": 9}
    assert target.commits() == []
    assert not repair_remote(target.url).faults


def test_saved_tokens_do_not_come_after_later_ones(store, kit, tmp_path, target):
    """Of two records of a protein the later counts, and a bundle that is mended stays earlier."""
    first = one_of(target, "tokens")
    changed = kit.tokens(kit.proteins(1)[0], salt=7)
    store.add_tokens([changed], {}, replace=True)
    push(store, target.url)
    sha, entry = next(published_index(target).of_kind("tokens"))
    assert sha in first
    footer = Reader(target).footer(sha, entry)
    row = next(i for i, row in enumerate(footer.digests) if row.tobytes() != changed.digest)
    change(target, first, tmp_path, place=int(footer.ends[row]) - 1)
    assert repair_remote(target.url).records_lost == {"tokens of alphafold2": 1}
    pull(tmp_path / "mine", target.url)
    stored = Store.open(tmp_path / "mine").tokens("alphafold2").get(changed.digest)
    assert (stored.codes["foldseek"] == changed.codes["foldseek"]).all()


def test_from_the_command_line(store, target, capsys, monkeypatch):
    target.remove([one_of(target, "values/c.0.0")])

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["repair", *arguments])
        return int(ended.value.code or 0), capsys.readouterr().out

    status, said = run("--store", target.url, "--quick")
    assert status == 1
    assert "is missing" in said
    assert "proteins to embed again with enc" in said
    status, said = run("--store", target.url, "--quick", "--from", str(store.path), "--json")
    assert status == 0
    assert json.loads(said)["sent"]["segments"] == 1
    status, said = run("--store", target.url)
    assert (status, "nothing was wrong" in said) == (0, True)
    status, _ = run("--store", str(store.path), "--quick")
    assert status == 2


@pytest.mark.parametrize("moment", ["_remove_entries", "replace_index"])
def test_what_others_commit_meanwhile_stays(target, monkeypatch, moment):
    """A record that came after the index was read is not in the new one: it is not removed."""
    target.remove([one_of(target, "values/c.0.0")])
    record, name = published_index(target).to_bytes(), layout.new_segment_id()
    owner = BucketRemote if moment == "replace_index" else remote_repair
    inner = getattr(owner, moment)

    def commit_first(*arguments: object) -> object:
        target.create(share_paths.commit_path(name), record)
        return inner(*arguments)

    monkeypatch.setattr(owner, moment, commit_first)
    repair_remote(target.url, quick=True)
    assert name in target.commits()
