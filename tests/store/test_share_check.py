"""What a published store holds beside its segments is verified too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sesstore.sharing.push import push
from sesstore.store import Store, layout
from sesstore.store.atomic_files import sealed, unsealed
from sesstore.store.compaction import compact
from sesstore.store.integrity import verify
from sesstore.store.repair import repair
from sesstore.store.segments import Segment
from sesstore.store.share_check import published_problems


@pytest.fixture(scope="module")
def pushed(tmp_path_factory) -> Path:
    from .conftest import fill

    store = fill(tmp_path_factory.mktemp("pushed") / "s", 20, ("float16", "int8")).store
    push(store, str(store.path))
    return store.path


@pytest.fixture(params=["living", "copy"])
def published(request, pushed, tmp_path) -> Path:
    """A store pushed to its own folder; or a copy of what it published, as from a bucket."""
    ignored = ("*-lock",) if request.param == "living" else ("*.lmdb*", "manifest", "tasks.jsonl")
    shutil.copytree(pushed, tmp_path / "p", ignore=shutil.ignore_patterns(*ignored))
    return tmp_path / "p"


def test_what_was_pushed_is_sound(published):
    for quick in (True, False):
        report = verify(published, quick=quick)
        assert report.bad == []
        assert report.notes == []


@pytest.mark.parametrize("kind", ["bundles", "tasks", "sums"])
def test_a_changed_cut_or_missing_file_is_found(published, kind):
    for path in sorted((published / "share" / kind).iterdir()):
        raw = path.read_bytes()
        path.write_bytes(bytes([raw[0] ^ 1]) + raw[1:])
        (fault,) = verify(published).bad
        assert fault.where == f"share/{kind}/{path.name}"
        path.write_bytes(raw[:-1])
        assert not verify(published, quick=True).ok
        path.unlink()
        assert not verify(published, quick=True).ok
        path.write_bytes(raw)
    assert verify(published).ok


def test_the_index_is_checked_and_missed(published):
    index = published / "share/index.json"
    raw = index.read_bytes()
    for data in (raw.replace(b'"tasks"', b'"tusks"'), raw[:-5], b"", b"{}"):
        index.write_bytes(data)
        assert not verify(published, quick=True).ok
    index.unlink()
    assert not verify(published, quick=True).ok


def test_all_of_it_gone_is_noticed_where_there_is_a_manifest(pushed, tmp_path):
    shutil.copytree(pushed, tmp_path / "p", ignore=shutil.ignore_patterns("*-lock"))
    shutil.rmtree(tmp_path / "p/share")
    assert not verify(tmp_path / "p").ok
    assert "sesstore push" in repair(tmp_path / "p").failed[0]
    assert verify(tmp_path / "p").ok


def test_a_segment_that_is_gone_is_noticed_in_both(published):
    segment = next(published.glob("embeddings/enc_int8*/2*"))
    shutil.rmtree(segment)
    (fault,) = verify(published, quick=True).bad
    assert segment.name in fault.where


def test_compaction_of_a_pushed_store_is_no_loss(pushed, tmp_path):
    shutil.copytree(pushed, tmp_path / "p", ignore=shutil.ignore_patterns("*-lock"))
    store = Store.open(tmp_path / "p")
    compact(store)
    assert verify(store.path).ok
    push(store, str(store.path))
    assert verify(store.path).ok


def test_an_index_that_names_other_places_is_refused(published):
    index = published / "share/index.json"
    bundle = {"sha256": "../../zarr.json", "bytes": 1}
    index.write_bytes(sealed({"bundles": [bundle], "tasks": {}, "encoders": {}}))
    (fault,) = verify(published).bad
    assert "cannot be read" in fault.what


def problems(root: Path, quick: bool = False) -> dict[str, str]:
    """What is wrong by where, without what `verify` finds beside."""
    found = list(published_problems(root, quick=quick))
    assert len({where for where, _ in found}) == len(found)
    return {str(where.relative_to(root)): what for where, what in found}


@pytest.fixture
def copy(pushed, tmp_path) -> Path:
    """A copy of what a store published, as from a bucket."""
    hidden = shutil.ignore_patterns("*.lmdb*", "manifest", "tasks.jsonl")
    shutil.copytree(pushed, tmp_path / "p", ignore=hidden)
    return tmp_path / "p"


@pytest.mark.parametrize("kind", ["bundles", "tasks", "sums"])
def test_sizes_are_enough_where_one_is_in_a_hurry(copy, kind):
    """A changed byte is found by who reads all; a file cut short, or none, by everybody."""
    path = next((copy / "share" / kind).iterdir())
    name, raw = f"share/{kind}/{path.name}", path.read_bytes()
    changed = "it is not what was sent. Remove it and push the store again"
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    assert problems(copy) == {name: changed}
    assert problems(copy, quick=True) == {}
    path.write_bytes(raw + b"x")
    assert problems(copy) == problems(copy, quick=True) == {name: changed}
    path.unlink()
    said = {name: "it is missing. Push the store again"}
    assert problems(copy) == problems(copy, quick=True) == said


def test_records_of_commits_are_checked_as_the_index_is(copy):
    """Each of them is an index of what was added since."""
    folder = copy / "share/commits"
    folder.mkdir(exist_ok=True)
    empty = {"bundles": [], "tasks": {}, "encoders": {}}
    bundle, task = "ab" * 32, "cd" * 32
    addition = {
        "bundles": [{"sha256": bundle, "bytes": 3}],
        "tasks": {"other": {"sha256": task, "bytes": 2}},
        "encoders": {},
    }
    (folder / "first").write_bytes(sealed(empty))
    assert problems(copy) == {}
    (folder / "second").write_bytes(sealed(addition))
    missing = "it is missing. Push the store again"
    assert problems(copy) == {f"share/bundles/{bundle}": missing, f"share/tasks/{task}": missing}
    (folder / "second").write_bytes(sealed(addition)[:-1])
    (folder / "third").write_bytes(sealed({"bundles": 3}))
    found = problems(copy)
    assert found.keys() == {"share/commits/second", "share/commits/third"}
    assert "cannot be read" in found["share/commits/third"]
    for name in ("second", "third"):
        (folder / name).unlink()
    (copy / "share/index.json").unlink()  # the record is of what was added to it
    assert problems(copy) == {"share/index.json": missing}
    (folder / "first").unlink()
    assert problems(copy) == {"share/index.json": missing}
    shutil.rmtree(copy / "share/bundles")
    assert problems(copy) == {"share/index.json": missing}
    shutil.rmtree(copy / "share/tasks")
    assert problems(copy) == {}
    shutil.rmtree(copy / "share")
    assert problems(copy) == {}


def test_no_name_of_an_index_leads_elsewhere(copy):
    for name in ("../x", "a/b", ".hidden"):
        entry, segments = {"sha256": name, "bytes": 1}, {"segments": {name: {"proteins": 1}}}
        for parts in (
            {"bundles": [entry]},
            {"tasks": {"t": entry}},
            {"encoders": {"enc": segments}},
            {"encoders": {name: {"segments": {"x": {"proteins": 1}}}}},
            {"bundles": [{"sha256": 7, "bytes": 1}]},
        ):
            index = {"bundles": [], "tasks": {}, "encoders": {}, **parts}
            (copy / "share/index.json").write_bytes(sealed(index))
            (said,) = problems(copy, quick=True).values()
            assert said.startswith("it cannot be read (ValueError")
            assert "is no name" in said


def test_what_a_segment_was_merged_into_stands_for_it(copy):
    """Also over several compactions; otherwise a copy says what is gone, and how much it was."""
    index = unsealed((copy / "share/index.json").read_bytes(), copy)
    folder, encoder = next(iter(index["encoders"].items()))
    gone, other = sorted(encoder["segments"])[:2]
    shutil.rmtree(copy / "embeddings" / folder / gone)
    count = encoder["segments"][gone]["proteins"]
    name = f"embeddings/{folder}/{gone}"
    assert problems(copy) == {name: f"it is gone; the index says it held {count:,} proteins"}
    (copy / layout.PROTEINS).write_bytes(b"")  # a living store: its manifest tells
    assert problems(copy) == {}
    (copy / layout.PROTEINS).unlink()
    path = copy / "embeddings" / folder / other
    attributes = Segment(path).attributes
    for compacted in ([{"segment": gone}], [{"segment": "x", "compacted": [{"segment": gone}]}]):
        origin = {"circumstances": {"compacted": compacted}}
        (path / "zarr.json").write_bytes(layout.group_metadata({**attributes, **origin}))
        assert problems(copy) == {}
    (path / "zarr.json").write_bytes(b"{}")
    assert name in problems(copy)
