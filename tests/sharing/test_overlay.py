from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sesstore.alphabets import Alphabet
from sesstore.errors import CorruptStoreError, MissingFileError, NotStoredError
from sesstore.progress import SILENT
from sesstore.sharing.fetch import Reader
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.overlay import Overlay, _state, open_place
from sesstore.sharing.places import FolderRemote
from sesstore.sharing.publication import sums_of_segment
from sesstore.sharing.pull import pull
from sesstore.sharing.serve.contents import contents, search
from sesstore.sharing.serve.server import StoreServer, application
from sesstore.sharing.web import WebRemote
from sesstore.store import Store


def spoil(path: Path) -> None:
    """Change a byte in the middle of a file."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def test_what_was_made_is_made_again_when_temporary_folders_are_cleaned(shared, kit, tmp_path):
    with Overlay(shared) as overlay:
        before = Reader(overlay).index()
        shared.add_proteins(kit.proteins(3, seed=9))
        Reader(overlay).index()
        for clean in (
            lambda: shutil.rmtree(overlay._folder),
            lambda: next(overlay._folder.iterdir()).unlink(),
            lambda: [file.unlink() for file in overlay._folder.iterdir()],
        ):
            clean()
            index = Reader(overlay).index()
            assert index.encoders == before.encoders
            assert sum(bundle.records for _, bundle in index.of_kind("proteins")) == 203
            for sha, bundle in index.bundles.items():
                assert len(Reader(overlay).footer(sha, bundle)) == bundle.records
            path = f"share/sums/{shared.embeddings('enc').segments[0].id}"
            assert overlay.place(path).stat().st_size


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("embeddings/enc-*/2*/checksums.json", "segment"),
        ("embeddings/enc-*/2*/zarr.json", "segment"),
        ("embeddings/enc-*/zarr.json", "encoder"),
        ("tasks/toy.jsonl", "task"),
        ("tokens/alphafold2.lmdb", "source"),
    ],
)
def test_one_damaged_part_does_not_take_the_rest_down(shared, tmp_path, pattern, left):
    """The others are served, and what is left out is said."""
    path = sorted(shared.path.glob(pattern))[0]
    if left == "source":
        path.write_bytes(bytes(path.stat().st_size))
    else:
        spoil(path)
    notes: list[str] = []

    class Notes:
        note = staticmethod(notes.append)
        stage = staticmethod(SILENT.stage)

    with pytest.raises(CorruptStoreError), Overlay(shared) as overlay:
        Reader(overlay).index()
    with (
        StoreServer([shared], progress=Notes()) as served,
        TestClient(application(served)) as client,
    ):
        for _ in range(2):
            raw = client.get("/share/index.json")
            assert raw.status_code == 200
        assert client.get("/").status_code == 200
        assert "not shown here" in client.get("/").text or left == "segment"
        assert client.get("/catalogue.json").status_code == 200
        assert client.get(f"/{next(iter(served.stores))}/search?q=s0p0").status_code == 200
        index = Reader(served.overlay("shared")).index()
    assert [note for note in notes if str(path.parent) in note or str(path) in note]
    assert len(notes) == len(set(notes))
    segments = sum(len(encoder.segments) for encoder in index.encoders.values())
    total = len(list(shared.path.glob("embeddings/*/2*")))
    of_enc = len(list(shared.path.glob("embeddings/enc-*/2*")))
    assert segments == total - {"segment": 1, "encoder": of_enc}.get(left, 0)
    assert list(index.tasks) == ([] if left == "task" else ["toy"])
    assert index.sources() == ([] if left == "source" else ["alphafold2"])
    assert search(shared, "s0p0")
    assert contents(shared)["proteins"] == 200


def test_who_began_with_an_older_index_still_reads_its_bundles(shared, kit):
    """What was added since is in bundles of its own, and the store's own index says it all."""
    with Overlay(shared) as overlay:
        before = Reader(overlay).index()
        state = overlay.state
        overlay.refresh()
        assert overlay.state == state
        shared.add_proteins(kit.proteins(3, seed=9))
        shared.add_tokens([kit.tokens(kit.proteins(2)[1])], {})
        after = Reader(overlay).index()
        assert overlay.state != state
        assert before.bundles.keys() < after.bundles.keys()
        for sha, bundle in before.bundles.items():
            assert len(Reader(overlay).footer(sha, bundle)) == bundle.records
        assert sum(bundle.records for _, bundle in after.of_kind("proteins")) == 203
        assert sum(bundle.records for _, bundle in after.of_kind("tokens")) == 101
        assert overlay.commits() == []


def test_a_pull_from_a_damaged_store_says_so(shared, tmp_path):
    spoil(sorted(shared.path.glob("embeddings/enc-*/2*/checksums.json"))[0])
    with pytest.raises(CorruptStoreError, match="sesstore verify"):
        pull(tmp_path / "mine", str(shared.path))


def test_nobody_waits_for_the_drawing_of_others(shared, monkeypatch):
    """A map takes its time; the catalogue and other maps are answered meanwhile."""
    begun, go_on, results = threading.Event(), threading.Event(), []

    def slow() -> str:
        begun.set()
        assert go_on.wait(30)
        return "map"

    with StoreServer([shared]) as served:
        overlay = served.overlay("shared")
        work = [
            threading.Thread(target=lambda: results.append(served.cached(overlay, "slow", slow)))
            for _ in range(2)
        ]
        for thread in work:
            thread.start()
        assert begun.wait(30)
        assert served.contents()["shared"]["proteins"] == 200
        assert served.cached(overlay, "other", lambda: 7) == 7
        assert not results
        go_on.set()
        for thread in work:
            thread.join(30)
        assert results == ["map", "map"]
        assert served.cached(overlay, "slow", lambda: "again") == "map"


def test_each_file_lies_where_the_store_or_the_overlay_has_it(shared):
    """Segments where they are, sums and bundles in a folder of its own; nothing else at all."""
    segment = sorted(shared.path.glob("embeddings/int-*/2*"))[0]
    with Overlay(shared) as overlay:
        assert overlay.url == str(shared.path)
        inside = segment.relative_to(shared.path).as_posix()
        for path in ("zarr.json", "embeddings/zarr.json", f"{inside}/values/c.0.0"):
            assert overlay.place(path) == shared.path / path
        sums = overlay.place(f"share/sums/{segment.name}")
        assert sums.read_bytes() == sums_of_segment(segment)
        stamp = sums.stat().st_mtime_ns
        assert overlay.place(f"share/sums/{segment.name}").stat().st_mtime_ns == stamp
        index = Reader(overlay).index()
        for sha in index.bundles:
            assert not overlay.place(f"share/bundles/{sha}").is_relative_to(shared.path)
        digest = index.tasks["toy"].sha256
        assert overlay.place(f"share/tasks/{digest}") == shared.path / "tasks/toy.jsonl"
        other = f"{segment.name[:-1]}{'0' if segment.name[-1] != '0' else '1'}"
        for path in (
            f"share/bundles/{'0' * 64}",
            f"share/tasks/{'0' * 64}",
            f"share/sums/{other}",
            f"{inside}/values/c.9.0",
            f"embeddings/other/{segment.name}/zarr.json",
        ):
            with pytest.raises(NotStoredError, match=str(shared.path)):
                overlay.place(path)
        for path in ("proteins.lmdb", "share/sums/../x", "tasks/toy.jsonl"):
            with pytest.raises(CorruptStoreError):
                overlay.place(path)
        folder = overlay._folder
        assert folder.is_dir()
    assert not folder.exists()


def test_sums_of_a_damaged_segment_are_not_made(shared):
    segment = sorted(shared.path.glob("embeddings/int-*/2*"))[0]
    spoil(segment / "values/c.0.0")
    with Overlay(shared) as overlay:
        for _ in range(2):
            with pytest.raises(CorruptStoreError, match=segment.name):
                overlay.place(f"share/sums/{segment.name}")


def test_what_is_added_of_each_kind_changes_the_state(shared, kit):
    """A server asks whether anything did before it publishes anew."""
    proteins, made = kit.proteins(3, seed=9), kit.provenance("third")

    def embed() -> None:
        with shared.writer(made, {}) as writer:
            writer.add(kit.embedding(proteins[0], made))

    states = [_state(shared.path)]
    for act in (
        lambda: shared.add_proteins(proteins),
        lambda: shared.add_tokens([kit.tokens(proteins[0])], {}),
        lambda: shared.add_tokens([kit.tokens(proteins[0], "pdb")], {}),
        lambda: shared.add_task(kit.task(proteins, "later")),
        lambda: shared.declare(Alphabet("motifs", "XYZ")),
        embed,
        embed,
    ):
        act()
        states.append(_state(shared.path))
    assert all(a != b for i, a in enumerate(states) for b in states[:i])
    assert _state(shared.path) == states[-1]


def test_a_place_is_opened_by_what_it_is(shared, published, tmp_path, monkeypatch):
    with open_place(str(shared.path)) as place:
        assert isinstance(place, Overlay)
        folder = place._folder
    assert not folder.exists()
    with open_place(f"file://{shared.path}") as place:
        assert isinstance(place, Overlay)
    with open_place(str(published)) as place:
        assert (type(place), place.url) == (FolderRemote, str(published))
    empty = Store.create(tmp_path / "empty")
    with open_place(str(empty.path)) as place:  # a store without a protein yet
        assert isinstance(place, Overlay)
    (tmp_path / "other").mkdir()
    for nothing in ("none", "other"):
        with (
            pytest.raises(MissingFileError, match=f"there is no store at '.*{nothing}'"),
            open_place(str(tmp_path / nothing)),
        ):
            pass
    with open_place("http://127.0.0.1:9/x/") as place:
        assert isinstance(place, WebRemote)
    assert place._client.is_closed


def test_object_storage_is_opened_as_such(memory):
    with open_place(f"{memory}/") as place:
        assert (type(place), place.url) == (BucketRemote, memory)
