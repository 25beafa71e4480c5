"""Some proteins of a segment: which are planned, where their bytes lie, and what is checked."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError
from sesstore.progress import SILENT
from sesstore.provenance import Fingerprint, Provenance
from sesstore.sharing import limits, share_paths
from sesstore.sharing.fetch import Reader
from sesstore.sharing.places import FolderRemote
from sesstore.sharing.publication import sums_of_segment
from sesstore.sharing.pull import pull
from sesstore.sharing.pull_context import PullContext, PullReport, Selection
from sesstore.sharing.pull_segments import PartialSegment, Plan, plan_encoder, shard_rows_of
from sesstore.sharing.share_index import FileEntry, Index, parse_index
from sesstore.store import Store, layout

from .test_reader import Memory

LENGTHS = np.array([3, 5, 2, 4, 6, 1])
OFFSETS = np.concatenate([[0], np.cumsum(LENGTHS)])
SHARD_ROWS = 4


def provenance(dtype: str) -> Provenance:
    fingerprint = Fingerprint("enc", "ab" * 32, 6, "esm1b", "windows(1022,256)", "fp32")
    return Provenance(fingerprint, 2, dtype, "MIT", "")


def half(raw: bytes) -> bytes:
    return sha256(raw).digest()[:16]


def part_of(dtype: str, rows: list[int]) -> tuple[PartialSegment, Memory, np.ndarray, np.ndarray]:
    """Part of a segment whose 21 rows of values lie in files of four, and what holds them."""
    rng, total = np.random.default_rng(0), int(OFFSETS[-1])
    values = rng.integers(-90, 90, (total, 2)).astype(dtype)
    scales = rng.uniform(0.1, 1, total).astype("<f2")
    remote = Memory()
    for number in range(0, total, SHARD_ROWS):
        raw = values[number : number + SHARD_ROWS].tobytes() + b"index"
        remote.files[f"seg/values/c.{number // SHARD_ROWS}.0"] = raw
    if dtype == "int8":
        remote.files["seg/scales/c.0"] = scales.tobytes()
    sums = [
        half(values[a:b].tobytes() + (scales[a:b].tobytes() if dtype == "int8" else b""))
        for a, b in pairwise(OFFSETS)
    ]
    files = {
        path.removeprefix("seg/"): FileEntry(len(raw), "") for path, raw in remote.files.items()
    }
    remote.files["share/sums/name"] = b"".join(sums)
    digests = np.arange(6 * 32, dtype=np.uint8).reshape(6, 32)
    part = PartialSegment(
        "seg", "name", provenance(dtype), {}, digests, OFFSETS, np.array(rows), SHARD_ROWS, files
    )
    return part, remote, values, scales


def fetched(part: PartialSegment, remote: Memory) -> tuple[list, list[int]]:
    advances: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        return list(part.fetch(Reader(remote), pool, advances.append)), advances


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8"])
@pytest.mark.parametrize("rows", [[0], [1, 4], [3], [2, 3, 5], [0, 1, 2, 3, 4, 5], [5, 0]])
def test_rows_are_put_together_from_the_files_they_lie_in(dtype: str, rows: list[int]):
    part, remote, values, scales = part_of(dtype, rows)
    embeddings, advances = fetched(part, remote)
    assert [e.digest for e in embeddings] == [part.digests[row].tobytes() for row in sorted(rows)]
    for embedding, row in zip(embeddings, sorted(rows), strict=True):
        first, last = OFFSETS[row], OFFSETS[row + 1]
        assert embedding.values.dtype == dtype
        assert np.array_equal(embedding.values, values[first:last])
        if dtype == "int8":
            assert np.array_equal(embedding.scales, scales[first:last])
        else:
            assert embedding.scales is None
    row_bytes = 2 * np.dtype(dtype).itemsize
    assert sum(advances) == LENGTHS[rows].sum() * row_bytes
    assert part.row_bytes == row_bytes


@pytest.mark.parametrize("fault", ["values", "scales", "sums", "short sums", "long sums"])
def test_each_protein_is_what_its_sum_says(fault: str):
    part, remote, *_ = part_of("int8", [1, 3])
    path = {"values": "seg/values/c.1.0", "scales": "seg/scales/c.0"}.get(fault, "share/sums/name")
    raw = bytearray(remote.files[path])
    raw[{"sums": 16 * 3, "scales": 2 * 4}.get(fault, 0)] ^= 1
    if fault == "short sums":
        raw = raw[:-16]
    if fault == "long sums":
        raw += bytes(16)
    remote.files[path] = bytes(raw)
    with pytest.raises(CorruptStoreError, match="refused") as problem:
        fetched(part, remote)
    expected = {"short sums": "not as many as its proteins", "long sums": "larger than it may be"}
    said = expected.get(fault, "a protein of segment name is not what its sum")
    assert said in str(problem.value)


def test_files_that_are_not_listed_are_not_asked_for():
    part, remote, *_ = part_of("int8", [1])
    for file in ("values/c.1.0", "scales/c.0"):
        fewer = {path: entry for path, entry in part.files.items() if path != file}
        with pytest.raises(CorruptStoreError, match="name has fewer files than its metadata say"):
            fetched(replace(part, files=fewer), remote)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_rows_of_a_file_are_told_by_metadata_as_written(dtype: str):
    made = provenance(dtype)
    raw = layout.sharded_metadata((21, 2), dtype, 8, 4)
    assert shard_rows_of(raw, 21, made) == 8
    assert shard_rows_of(layout.sharded_metadata((21, 2), dtype, 4, 4), 21, made) == 4
    for wrong in (
        (raw, 22, made),
        (raw, 21, replace(made, dim=3)),
        (raw, 21, replace(made, dtype="float32")),
        (raw[:-1], 21, made),
        (b"[", 21, made),
        (layout.sharded_metadata((21, 2), dtype, 4, 8), 21, made),
        (layout.sharded_metadata((21, 2), dtype, 1 << 48, 4), 21, made),
        (layout.sharded_metadata((21, 2), dtype, 4, 0), 21, made),
    ):
        with pytest.raises(CorruptStoreError, match="not as sesstore writes them"):
            shard_rows_of(*wrong)


@pytest.fixture
def index(published: Path) -> Index:
    return parse_index((published / share_paths.INDEX).read_bytes(), "here")


@pytest.fixture
def context(published: Path, tmp_path: Path) -> PullContext:
    mine = Store.create(tmp_path / "mine")
    return PullContext(mine, Reader(FolderRemote(published)), None, SILENT, PullReport("there"))


def folder_of(index: Index, name: str = "enc") -> str:
    return next(folder for folder in index.encoders if folder.startswith(f"{name}-"))


def digests_in(context: PullContext, index: Index, folder: str, segment: str) -> list[bytes]:
    return [row.tobytes() for row in context.reader.digests(index, folder, segment)]


def test_everything_comes_in_whole_segments(context: PullContext, index: Index):
    folder, plan = folder_of(index), Plan()
    segments = index.encoders[folder].segments
    companions = plan_encoder(context, index, folder, None, plan)
    assert [(f, name) for f, name, *_ in plan.segments] == [(folder, name) for name in segments]
    assert plan.parts == []
    assert plan.bytes == sum(entry.bytes for entry in segments.values())
    assert len(companions) == 200
    assert context.report.missing == 0


def test_a_part_has_only_what_is_wanted_and_lacking(context: PullContext, index: Index, published):
    folder, plan = folder_of(index, "int"), Plan()
    provenance = index.encoders[folder].provenance
    first, second, *_ = index.encoders[folder].segments
    places = [(first, 2), (first, 4), (second, 1)]
    wanted = {digests_in(context, index, folder, name)[row] for name, row in places}
    assert plan_encoder(context, index, folder, wanted | {b"x" * 32}, plan) == set()
    assert plan.segments == []
    rows = [(part.name, part.rows.tolist()) for part in plan.parts]
    assert rows == [(first, [2, 4]), (second, [1])]
    assert context.report.missing == 1
    part, entry = plan.parts[0], index.encoders[folder].segments[first]
    offsets = np.fromfile(published / f"embeddings/{folder}/{first}/offsets/c.0", "<i8")
    assert part.path == f"embeddings/{folder}/{first}"
    assert (part.provenance, part.files) == (provenance, entry.files)
    assert np.array_equal(part.offsets, offsets)
    assert [row.tobytes() for row in part.digests] == digests_in(context, index, folder, first)
    assert part.circumstances["versions"]
    metadata = published / f"embeddings/{folder}/{first}/values/zarr.json"
    grid = layout.parse(metadata.read_bytes())["chunk_grid"]["configuration"]
    assert [part.shard_rows, 16] == grid["chunk_shape"]
    lengths = [np.diff(offsets)[[2, 4]].sum()]
    offsets = np.fromfile(published / f"embeddings/{folder}/{second}/offsets/c.0", "<i8")
    lengths.append(np.diff(offsets)[1])
    assert plan.bytes == 16 * sum(lengths)


def test_what_is_stored_here_is_not_planned(context: PullContext, index: Index, published, kit):
    """Neither whole segments by their names, nor proteins that other segments have."""
    folder = folder_of(index)
    first, second, *rest = index.encoders[folder].segments
    pull(context.store, str(published), Selection(ids=("s0p3",), plms=("enc",)))
    held = kit.proteins(4)[3].digest
    plan = Plan()
    companions = plan_encoder(context, index, folder, None, plan)
    assert len(companions) + sum(len(part.rows) for part in plan.parts) == 199 + len(
        companions & {held}
    )
    place = f"embeddings/{folder}/{first}"
    shutil.copytree(published / place, context.store.path / place)
    plan, requests, real = Plan(), [], context.reader.digests
    context.reader.digests = lambda *names: requests.append(names[2]) or real(*names)
    plan_encoder(context, index, folder, None, plan)
    names = [name for _, name, *_ in plan.segments] + [part.name for part in plan.parts]
    assert sorted(names) == sorted([second, *rest]) == sorted(requests)
    assert plan_encoder(context, index, folder, {held}, Plan()) == set()
    assert context.report.missing == 0


def test_a_protein_of_two_segments_is_taken_once(context: PullContext, index: Index):
    folder = folder_of(index)
    segments = index.encoders[folder].segments
    first = next(iter(segments))
    twin = "20991127T000000000000-0123456789abcdef"  # a segment of the same proteins
    segments[twin] = segments[first]
    real = context.reader.digests
    context.reader.digests = lambda i, f, name: real(i, f, first if name == twin else name)
    plan = Plan()
    plan_encoder(context, index, folder, None, plan)
    assert twin not in [name for _, name, *_ in plan.segments]
    assert plan.parts == []
    plan = Plan()
    plan_encoder(context, index, folder, {digests_in(context, index, folder, first)[0]}, plan)
    assert [part.name for part in plan.parts] == [first]


def test_a_protein_may_be_as_large_as_it_may(context: PullContext, index: Index, monkeypatch):
    folder = folder_of(index)
    first = next(iter(index.encoders[folder].segments))
    raw = context.reader.small(index, folder, first, "offsets/c.0")
    size = int(np.diff(np.frombuffer(raw, "<i8"))[3]) * 32
    wanted = {digests_in(context, index, folder, first)[3]}
    monkeypatch.setattr(limits, "PROTEIN_BYTES", size)
    plan = Plan()
    plan_encoder(context, index, folder, wanted, plan)
    assert len(plan.parts) == 1
    monkeypatch.setattr(limits, "PROTEIN_BYTES", size - 1)
    with pytest.raises(CorruptStoreError, match=f"a protein of segment {first} is larger"):
        plan_encoder(context, index, folder, wanted, Plan())


@pytest.mark.parametrize(
    "raw",
    [b"[]", b"{", b'{"attributes": null}', b'{"attributes": {"sesstore": {}}}', b"[" * 50_000,
     b'{"attributes": {"sesstore": {"circumstances": []}}}'],
)  # fmt: skip
def test_a_segment_says_what_made_it(context: PullContext, index: Index, raw: bytes):
    folder, real = folder_of(index), context.reader.small
    first = next(iter(index.encoders[folder].segments))
    wanted = {digests_in(context, index, folder, first)[0]}
    context.reader.small = lambda *names: raw if names[3] == "zarr.json" else real(*names)
    with pytest.raises(CorruptStoreError, match=f"segment {first} does not say what made it"):
        plan_encoder(context, index, folder, wanted, Plan())


def test_parts_of_segments_become_one_that_says_where_it_is_from(published, tmp_path, kit):
    selection = Selection(ids=("s0p3", "s0p150"), plms=("int",))
    report = pull(tmp_path / "mine", str(published), selection)
    assert (report.segments, report.partial_segments, report.embeddings) == (0, 2, 2)
    (segment,) = Store.open(tmp_path / "mine").embeddings("int").segments
    pulled = segment.attributes["circumstances"]["pulled"]
    assert pulled["from"] == str(published)
    names = [origin["segment"] for origin in pulled["segments"]]
    for name, protein in zip(names, (kit.proteins(4)[3], kit.proteins(151)[150]), strict=True):
        (folder,) = published.glob(f"embeddings/int-*/{name}")
        rows = np.fromfile(folder / "digests/c.0.0", np.uint8).reshape(-1, 32)
        assert protein.digest in [row.tobytes() for row in rows]
        sums = (published / share_paths.sums_path(name)).read_bytes()
        assert sums == sums_of_segment(folder)
