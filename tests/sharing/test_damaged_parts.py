"""Parts of a published store that are damaged: what is said of each, and what a repair keeps."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from sesstore.errors import NotStoredError, StoreError
from sesstore.progress import SILENT
from sesstore.sharing import share_paths
from sesstore.sharing.cleanup import SET_ASIDE
from sesstore.sharing.commits import commit, published_index
from sesstore.sharing.fetch import Reader
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.pull import pull
from sesstore.sharing.push import push
from sesstore.sharing.remote_check import RemoteCheck, parts_of
from sesstore.sharing.remote_repair import RemoteRepairReport, repair_remote
from sesstore.sharing.share_index import (
    BundleEntry,
    EncoderEntry,
    FileEntry,
    Index,
    SegmentEntry,
    TaskEntry,
)
from sesstore.store import Store, layout
from sesstore.store.integrity import verify

SEGMENT = "20261127T000000000000-0123456789abcdef"


@pytest.fixture
def store(kit, tmp_path) -> Store:
    return kit.fill(tmp_path / "store", kit.proteins(12), (kit.provenance(),), 3_000)


@pytest.fixture
def target(store: Store, memory: str) -> BucketRemote:
    push(store, memory)
    return BucketRemote(memory)


def overwrite(target: BucketRemote, path: str, raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(raw)
    target.put(path, tmp_path / "object")


def raw_of(target: BucketRemote, path: str) -> bytes:
    return b"".join(target.stream(path))


def test_parts_are_segments_bundles_and_tasks(kit):
    files = {"zarr.json": FileEntry(7, ""), "values/c.0.0": FileEntry(8, "")}
    index = Index(
        encoders={"enc-1": EncoderEntry(kit.provenance(), {SEGMENT: SegmentEntry(1, 1, files)})},
        bundles={"b" * 64: BundleEntry("ids", "", 9, 1, 1, "")},
        tasks={"toy": TaskEntry("c" * 64, 10, 1, "regression")},
    )
    place = f"embeddings/enc-1/{SEGMENT}"
    assert [(str(part), part.files) for part in parts_of(index)] == [
        (f"segment enc-1/{SEGMENT}", {f"{place}/zarr.json": 7, f"{place}/values/c.0.0": 8}),
        (f"bundle {'b' * 64}", {f"share/bundles/{'b' * 64}": 9}),
        ("task toy", {f"share/tasks/{'c' * 64}": 10}),
    ]


class Bars:
    """Progress that keeps the stages that were opened and how far each went."""

    note = staticmethod(SILENT.note)

    def __init__(self) -> None:
        self.stages: dict[str, list[int | None]] = {}

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str):
        entry = self.stages[name] = [total, 0]

        def advance(amount: int = 1) -> None:
            entry[1] += amount

        yield SimpleNamespace(advance=advance)


@pytest.mark.parametrize("quick", [True, False])
def test_each_fault_is_said_of_its_part(target, tmp_path, quick):
    """Missing and cut objects in a moment; changed bytes only where every byte is fetched."""
    index = published_index(target)
    parts, bars = parts_of(index), Bars()
    assert list(RemoteCheck(target, index, tmp_path, quick=quick).faults(bars)) == []
    assert bars.stages == {"checking": [len(parts), len(parts)]}
    first, second, third = [part for part in parts if part.kind == "segment"][:3]
    task = parts[-1]
    (missing, *_), (cut, *_) = first.files, second.files
    target.remove([missing])
    overwrite(target, cut, raw_of(target, cut)[:-1], tmp_path)
    changes = [next(path for path in third.files if path.endswith("values/c.0.0")), *task.files]
    for path in changes:
        raw = raw_of(target, path)
        overwrite(target, path, bytes([raw[0] ^ 1]) + raw[1:], tmp_path)
    faults = dict(RemoteCheck(target, index, tmp_path, quick=quick).faults())
    size = second.files[cut]
    expected = {
        str(first): f"{missing} is missing",
        str(second): f"{cut} has {size - 1:,} bytes instead of {size:,}",
    }
    if not quick:
        expected |= dict.fromkeys((str(third), str(task)), "it is not what was written")
    assert {str(part): problem for part, problem in faults.items()} == expected
    names = {path.name.removeprefix(".pull-") for path in tmp_path.iterdir()}
    assert not names & {part.name for part in parts}  # what was fetched to be checked is gone


@pytest.mark.parametrize(("kind", "length"), [("proteins", 0), ("ids", 10), ("tokens", -1)])
def test_a_bundle_that_was_cut_holds_no_repair_up(store, target, tmp_path, kind, length):
    """Nor does one whose end is missing, which says what was in it."""
    sha, entry = next(published_index(target).of_kind(kind))
    path = share_paths.bundle_path(sha)
    raw = raw_of(target, path)
    overwrite(target, path, raw[:length] if length else b"", tmp_path)
    with pytest.raises(NotStoredError, match=r"or not whole.*sesstore repair"):
        pull(tmp_path / "before", target.url)
    report = repair_remote(target.url)
    label = "tokens of alphafold2" if kind == "tokens" else kind
    assert report.records_lost == {label: entry.records}
    assert list(report.faults) == [f"bundle {sha}"]
    report = repair_remote(target.url, store)
    assert not report.lost
    pull(tmp_path / "mine", target.url)
    assert verify(tmp_path / "mine").ok
    assert Store.open(tmp_path / "mine").count_proteins() == 12


@pytest.mark.parametrize("where", ["memory", "bucket"])
def test_a_repair_says_all_it_did(store, tmp_path, request, where):
    """In the memory of this process, and on a server."""
    target = BucketRemote(request.getfixturevalue(where))
    push(store, target.url)
    index = published_index(target)
    (folder, encoder), *_ = index.encoders.items()
    first, second, *_ = encoder.segments
    lost = share_paths.segment_path(folder, first, "digests/c.0.0")
    target.remove([lost, share_paths.sums_path(second)])
    report = repair_remote(f"{target.url}/")
    assert report.url == target.url
    assert report.checked == len(parts_of(index))
    assert report.faults == {f"segment {folder}/{first}": f"{lost} is missing"}
    assert report.rebuilt == [share_paths.sums_path(second)]
    assert report.sent is None
    assert report.embeddings_lost == {"enc": encoder.segments[first].proteins}
    assert (report.records_lost, report.tasks_lost) == ({}, [])
    assert report.to_json()["lost"] is True
    assert report.to_json()["embeddings_lost"] == report.embeddings_lost
    aside = {file.path.split("/", 3)[3]: file.bytes for file in target.listing(SET_ASIDE)}
    files = encoder.segments[first].files
    left = {share_paths.segment_path(folder, first, f): e.bytes for f, e in files.items()}
    del left[lost]
    sums = share_paths.sums_path(first)
    assert aside.pop(share_paths.INDEX) == len(index.to_bytes())
    assert aside == {**left, sums: 16 * encoder.segments[first].proteins}
    final = published_index(target)
    assert first not in final.encoders[folder].segments
    assert second in final.encoders[folder].segments
    assert (final.bundles, final.tasks) == (index.bundles, index.tasks)
    bars = Bars()
    report = repair_remote(target.url, store, progress=bars)
    assert (report.faults, report.rebuilt, report.lost) == ({}, [], False)
    assert (report.sent.segments, report.sent.to) == (1, target.url)
    assert {"checking", "pushing", "collecting proteins"} <= bars.stages.keys()


@pytest.mark.parametrize("field", ["embeddings_lost", "records_lost", "tasks_lost"])
def test_anything_lost_is_a_loss(field):
    report = RemoteRepairReport("there", faults={"a": "b"}, rebuilt=["c"])
    assert not report.lost
    setattr(report, field, ["toy"] if field == "tasks_lost" else {"x": 1})
    assert report.lost


def test_groups_that_are_missing_are_written_again(target):
    paths = ["zarr.json", "embeddings/zarr.json"]
    paths += [f"embeddings/{folder}/zarr.json" for folder in published_index(target).encoders]

    def groups() -> list[tuple[str, object]]:
        parsed = [layout.parse_group(raw_of(target, path), path) for path in paths]
        return [(group["kind"], group.get("provenance")) for group in parsed]

    before = groups()
    assert [kind for kind, _ in before] == ["store", "embeddings", "encoder"]
    target.remove(paths)
    repair_remote(target.url, quick=True)
    assert groups() == before


@pytest.mark.parametrize(("kind", "count"), [("proteins", 12), ("tokens", 6)])
def test_sound_records_of_a_bundle_are_kept_in_its_place(target, tmp_path, kind, count):
    """One changed byte costs one record; commit records that were not taken in yet are, then."""
    sha, entry = next(published_index(target).of_kind(kind))
    order = [bundle.kind for bundle in published_index(target).bundles.values()]
    commit(target, Index(tasks={"x": published_index(target).tasks["toy"]}))
    path = share_paths.bundle_path(sha)
    raw = bytearray(raw_of(target, path))
    footer = Reader(target).footer(sha, entry)
    raw[int(footer.ends[3])] ^= 1  # of the fifth record
    overwrite(target, path, bytes(raw), tmp_path)
    report = repair_remote(target.url)
    label = "tokens of alphafold2" if kind == "tokens" else kind
    assert report.records_lost == {label: 1}
    index = published_index(target)
    assert [bundle.kind for bundle in index.bundles.values()] == order
    (name, entry), *more = index.of_kind(kind)
    assert (entry.records, more) == (count - 1, [])
    assert target.commits() == []
    assert set(index.tasks) == {"toy", "x"}
    rebuilt = Reader(target).footer(name, entry)
    assert rebuilt.makers == footer.makers
    assert len(rebuilt.makers) == (kind == "tokens")
    rows = [row.tobytes() for row in rebuilt.digests]
    expected = [row.tobytes() for row in footer.digests]
    assert rows == expected[:4] + expected[5:]


def test_a_repair_that_is_never_first_moves_nothing(target, monkeypatch):
    """Others replace the index all the time: it still names what is broken."""
    (folder, encoder), *_ = published_index(target).encoders.items()
    name = next(iter(encoder.segments))
    target.remove([share_paths.segment_path(folder, name, "digests/c.0.0")])
    before = {file.path for top in ("share", "embeddings") for file in target.listing(top)}
    attempts = []
    monkeypatch.setattr(BucketRemote, "replace_index", lambda *_: attempts.append(1) or False)
    with pytest.raises(StoreError, match=f"others keep writing to {target.url}"):
        repair_remote(target.url, quick=True)
    assert len(attempts) == 10
    after = {file.path for top in ("share", "embeddings") for file in target.listing(top)}
    (backup,) = after - before
    assert before <= after
    assert backup.endswith(f"/{share_paths.INDEX}")
    assert raw_of(target, backup) == published_index(target).to_bytes()
