"""A reader of a published store: what it fetches, counts, remembers and refuses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from sesstore.errors import (
    CorruptStoreError,
    NotStoredError,
    StorageFullError,
)
from sesstore.sharing import fetch, limits, share_paths
from sesstore.sharing.bundle_records import Record
from sesstore.sharing.bundles import write_bundles
from sesstore.sharing.fetch import (
    Reader,
    fetch_segment,
    rows_by_key,
    rows_of,
)
from sesstore.sharing.places import FolderRemote
from sesstore.sharing.share_index import (
    EncoderEntry,
    FileEntry,
    Index,
    SegmentEntry,
    TaskEntry,
    parse_index,
)
from sesstore.store import layout

IDS = [f"2026112{i}T000000000000-0123456789abcdef" for i in range(10)]


class Memory:
    """Files by path, sent a few bytes at a time."""

    url = "mem://lab"

    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.requests: list[tuple[str, int]] = []
        self.piece = 7

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        self.requests.append((path, start))
        if path not in self.files:
            raise NotStoredError(f"{self.url} has no {path}")
        raw = self.files[path]
        for place in range(start, len(raw), self.piece):
            yield raw[place : place + self.piece]

    def read(self, path: str, start: int, stop: int, size: int) -> bytes:
        self.requests.append((path, start))
        if path not in self.files:
            raise NotStoredError(f"{self.url} has no {path}")
        assert size == len(self.files[path])
        return self.files[path][start:stop]

    def commits(self) -> list[str]:
        start = f"{share_paths.COMMITS}/"
        return [path.removeprefix(start) for path in self.files if path.startswith(start)]


def sha(raw: bytes) -> str:
    return sha256(raw).hexdigest()


def test_a_small_file_has_its_hash_and_at_most_its_size():
    remote = Memory(x=b"0123456789")
    reader = Reader(remote)
    assert reader.read_all("x", 10) == b"0123456789"
    assert reader.read_all("x", 10, sha(b"0123456789")) == b"0123456789"
    assert reader.bytes == 20
    with pytest.raises(CorruptStoreError, match="x is larger than it may be"):
        reader.read_all("x", 9)
    with pytest.raises(CorruptStoreError, match="x is not what the index says"):
        reader.read_all("x", 10, sha(b"other"))
    assert reader.read("x", 2, 5, 10) == b"234"
    assert reader.bytes == 33
    assert b"".join(reader.stream("x", 4)) == b"456789"


def test_a_file_is_saved_if_it_is_the_one_that_is_listed(tmp_path: Path):
    raw = b"0123456789"
    reader = Reader(Memory(x=raw))
    reader.save("x", tmp_path / "x", 10, sha(raw))
    assert (tmp_path / "x").read_bytes() == raw
    assert reader.bytes == 10
    with pytest.raises(CorruptStoreError, match="x is larger than it may be"):
        reader.save("x", tmp_path / "x", 9, sha(raw))
    assert (tmp_path / "x").stat().st_size <= 9
    with pytest.raises(CorruptStoreError, match="x is not what the index says"):
        reader.save("x", tmp_path / "x", 10, sha(b"0"))


def test_what_is_named_and_absent_is_said_with_a_way_on(tmp_path: Path):
    reader = Reader(Memory())
    for act in (
        lambda: reader.read_all("share/sums/x", 9),
        lambda: reader.read("share/sums/x", 0, 1, 1),
        lambda: reader.save("share/sums/x", tmp_path / "x", 1, ""),
        lambda: list(reader.stream("share/sums/x")),
    ):
        with pytest.raises(NotStoredError, match="mem://lab names share/sums/x, which is not"):
            act()
    for path in (share_paths.INDEX, f"{share_paths.COMMITS}/x"):
        with pytest.raises(NotStoredError, match=f"^mem://lab has no {path}$"):
            reader.read_all(path, 9)


def task_index(*names: str, digit: str = "a") -> Index:
    return Index(tasks={name: TaskEntry(digit * 64, 1, 1, "regression") for name in names})


def test_commit_records_are_taken_in_by_their_names(monkeypatch: pytest.MonkeyPatch):
    """Of two that name a task the earlier counts, in whatever order they are listed."""
    remote = Memory()
    with pytest.raises(NotStoredError, match="mem://lab is no shared store"):
        Reader(remote).index()
    for place, name in ((2, "toy"), (0, "x"), (1, "toy")):
        path = share_paths.commit_path(IDS[place])
        remote.files[path] = task_index(name, digit=str(place)).to_bytes()
    index = Reader(remote).index()  # without an index of its own
    assert {name: task.sha256[0] for name, task in index.tasks.items()} == {"x": "0", "toy": "1"}
    remote.files[share_paths.INDEX] = task_index("toy", digit="f").to_bytes()
    reader = Reader(remote)
    index = reader.index()
    assert {name: task.sha256[0] for name, task in index.tasks.items()} == {"x": "0", "toy": "f"}
    assert reader.bytes == sum(map(len, remote.files.values()))
    assert remote.requests[-1] == (share_paths.INDEX, 0)  # last: see `commits`
    sizes = [len(raw) for path, raw in remote.files.items() if path != share_paths.INDEX]
    monkeypatch.setattr(limits, "INDEX_BYTES", sum(sizes))
    Reader(remote).index()
    monkeypatch.setattr(limits, "INDEX_BYTES", sum(sizes) - 1)
    with pytest.raises(CorruptStoreError, match="mem://lab has too many commit records"):
        Reader(remote).index()
    monkeypatch.setattr(limits, "COMMIT_BYTES", max(sizes) - 1)
    with pytest.raises(CorruptStoreError, match="larger than it may be"):
        Reader(remote).index()


def test_many_commit_records_are_all_read():
    remote = Memory()
    for number in range(40):
        name = f"20261127T0000000000{number:02}-0123456789abcdef"
        remote.files[share_paths.commit_path(name)] = task_index(f"t{number}").to_bytes()
    assert list(Reader(remote).index().tasks) == [f"t{number}" for number in range(40)]


def test_a_commit_record_that_does_not_fit_is_named(kit):
    remote, path = Memory(), share_paths.commit_path(IDS[0])
    for place, dtype in ((share_paths.INDEX, "float16"), (path, "float32")):
        made = kit.provenance(dtype=dtype)
        index = Index(encoders={layout.encoder_folder(made): EncoderEntry(made)})
        remote.files[place] = index.to_bytes()
    with pytest.raises(CorruptStoreError, match=f"mem://lab/{path} does not fit the rest"):
        Reader(remote).index()
    remote.files[path] = b"{}"
    with pytest.raises(CorruptStoreError, match=path):
        Reader(remote).index()


def test_footers_are_fetched_once_and_records_by_ranges(tmp_path: Path):
    records = [Record(bytes([i]) * 32, bytes([i]) * 50, 10 * i) for i in range(9)]
    ((name, entry, path),) = write_bundles(tmp_path, "ids", "", records, {})
    remote = Memory(**{share_paths.bundle_path(name): path.read_bytes()})
    reader = Reader(remote)
    footer = reader.footer(name, entry)
    assert reader.footer(name, entry) is footer
    assert remote.requests == [(share_paths.bundle_path(name), 9 * 50)]
    assert reader.bytes == entry.footer
    rows = rows_of(footer, {records[i].digest for i in (7, 1, 2)} | {bytes(range(32))})
    assert rows.tolist() == [1, 2, 7]
    assert rows_by_key(footer, [80, 0, 81]).tolist() == [0, 8]
    assert rows_by_key(footer, []).tolist() == []
    with ThreadPoolExecutor(2) as pool:
        spans = list(reader.records(name, entry, rows, pool))
    assert spans == [[records[1], records[2]], [records[7]]]
    assert reader.bytes == entry.footer + 150
    assert [start for _, start in remote.requests[1:]] == [50, 350]


@pytest.fixture(scope="module")
def arrival(published: Path) -> tuple[Index, str, str, SegmentEntry]:
    """A published segment of int8 values: its index, encoder's folder, name and entry."""
    index = parse_index((published / share_paths.INDEX).read_bytes(), "here")
    folder = next(name for name in index.encoders if name.startswith("int-"))
    name, entry = next(iter(index.encoders[folder].segments.items()))
    return index, folder, name, entry


class Fetch:
    """Fetches that segment into a folder."""

    def __init__(self, remote: object, arrival, place: Path) -> None:
        self.index, self.folder, self.name, self.entry = arrival
        self.reader, self.place = Reader(remote), place  # type: ignore[arg-type]
        self.advances: list[int] = []
        self.lengths = -1

    def __call__(self) -> int:
        with ThreadPoolExecutor(3) as pool:
            return fetch_segment(
                self.reader,
                share_paths.segment_path(self.folder, self.name, "")[:-1],
                self.entry,
                self.place / self.name,
                self.index.encoders[self.folder].provenance,
                lengths=lambda digests: [self.lengths] * len(digests),
                pool=pool,
                advance=self.advances.append,
            )

    @property
    def unfinished(self) -> Path:
        return self.place / f".pull-{self.name}"


def test_a_whole_segment_is_fetched_once(arrival, published: Path, tmp_path: Path):
    fetch_it = Fetch(FolderRemote(published), arrival, tmp_path)
    entry = fetch_it.entry
    assert fetch_it() == fetch_it.reader.bytes == sum(fetch_it.advances) == entry.bytes
    for file, sums in entry.files.items():
        assert sha((tmp_path / fetch_it.name / file).read_bytes()) == sums.sha256
    assert fetch_it() == 0  # somebody fetched it meanwhile
    assert fetch_it.reader.bytes == entry.bytes
    assert sum(fetch_it.advances) == 2 * entry.bytes
    assert os.listdir(tmp_path) == [fetch_it.name]
    assert fetch_it.reader.digests(*arrival[:3]).shape == (entry.proteins, 32)
    raw = (published / "embeddings" / arrival[1] / fetch_it.name / "scales/c.0").read_bytes()
    assert fetch_it.reader.small(*arrival[:3], "scales/c.0") == raw


def test_an_interrupted_segment_is_gone_on_with(arrival, published: Path, tmp_path: Path):
    """Only the rest comes over the wire; all of it counts for the bar."""
    fetch_it = Fetch(FolderRemote(published), arrival, tmp_path)
    source = published / "embeddings" / arrival[1] / fetch_it.name
    saved = 0
    for file, share in (("values/c.0.0", 0.5), ("digests/c.0.0", 1.0)):
        raw = (source / file).read_bytes()
        (fetch_it.unfinished / file).parent.mkdir(parents=True)
        (fetch_it.unfinished / file).write_bytes(raw[: int(share * len(raw))])
        saved += int(share * len(raw))
    assert fetch_it() == fetch_it.reader.bytes == fetch_it.entry.bytes - saved
    assert sum(fetch_it.advances) == fetch_it.entry.bytes
    for file, sums in fetch_it.entry.files.items():
        assert sha((tmp_path / fetch_it.name / file).read_bytes()) == sums.sha256


@pytest.mark.parametrize("fault", ["long", "short", "other", "lengths"])
def test_of_what_is_refused_nothing_stays(arrival, published: Path, tmp_path: Path, fault: str):
    fetch_it = Fetch(FolderRemote(published), arrival, tmp_path)
    values = fetch_it.entry.files["values/c.0.0"]
    wrong = {
        "long": FileEntry(values.bytes - 1, values.sha256),
        "short": FileEntry(values.bytes + 1, values.sha256),
        "other": FileEntry(values.bytes, "0" * 64),
    }
    said = r"values/c.0.0 is not what the index says \([\d,]+ of [\d,]+ bytes\)"
    if fault == "lengths":
        fetch_it.lengths, said = 0, "another length than its sequence"
    else:
        files = {**fetch_it.entry.files, "values/c.0.0": wrong[fault]}
        fetch_it.entry = replace(fetch_it.entry, files=files)
    with pytest.raises(CorruptStoreError, match=said):
        fetch_it()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_what_arrived(arrival, published: Path, tmp_path: Path, monkeypatch):
    fetch_it, real = Fetch(FolderRemote(published), arrival, tmp_path), fetch._fetch_file

    def full(reader, path, entry, place, advance) -> int:
        if path.endswith("values/c.0.0"):
            raise StorageFullError("no space left")
        return real(reader, path, entry, place, advance)

    monkeypatch.setattr(fetch, "_fetch_file", full)
    with pytest.raises(StorageFullError):
        fetch_it()
    monkeypatch.setattr(fetch, "_fetch_file", real)
    assert (fetch_it.unfinished / "checksums.json").is_file()
    before = fetch_it.reader.bytes
    assert fetch_it() == fetch_it.reader.bytes - before < fetch_it.entry.bytes
