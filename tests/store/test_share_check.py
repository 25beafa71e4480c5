"""What a published store holds beside its segments is verified too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sesstore.sharing.push import push
from sesstore.store import Store
from sesstore.store.compaction import compact
from sesstore.store.integrity import verify
from sesstore.store.repair import repair


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
    from sesstore.store.atomic_files import sealed

    index = published / "share/index.json"
    bundle = {"sha256": "../../zarr.json", "bytes": 1}
    index.write_bytes(sealed({"bundles": [bundle], "tasks": {}, "encoders": {}}))
    (fault,) = verify(published).bad
    assert "cannot be read" in fault.what
