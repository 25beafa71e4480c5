"""What a publication says of its segments."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError
from sesstore.progress import SILENT
from sesstore.sharing import share_paths
from sesstore.sharing.bundles import Footer, parse_footer
from sesstore.sharing.publication import (
    check_segment,
    new_segments,
    publish_records,
    row_sum,
    segment_entry,
    sums_of_segment,
)
from sesstore.sharing.pull_context import Selection
from sesstore.sharing.share_index import EncoderEntry, FileEntry, Index, TaskEntry
from sesstore.store.atomic_files import sealed
from sesstore.store.segments import Segment


def test_sums_tell_rows_apart():
    assert row_sum(b"ab", b"c") != row_sum(b"ab", None)


@pytest.mark.parametrize("change", [lambda raw: raw[:-16], lambda raw: raw + bytes(16)])
def test_more_or_fewer_sums_than_proteins(forgery, change):
    for segment in forgery.segments():
        path = forgery.path / share_paths.sums_path(segment.name)
        path.write_bytes(change(path.read_bytes()))
    forgery.refused(Selection(ids=("s0p3", "s0p60"), plms=("enc",)))


class Bars:
    """Progress that counts what each stage was advanced by."""

    note = staticmethod(SILENT.note)

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str):
        self.counts[name] = 0

        def advance(amount: int = 1) -> None:
            self.counts[name] += amount

        yield SimpleNamespace(advance=advance)


def no_footer(sha: str) -> Footer:
    raise AssertionError(f"nobody publishes {sha}")


def test_everything_is_new_once(kit, tmp_path):
    """Bundles by kind and source, a task with its rows; then nothing but what was added."""
    proteins = kit.proteins(20)
    store = kit.fill(tmp_path / "store", proteins, ())
    store.add_tokens([kit.tokens(proteins[0], "pdb"), kit.tokens(proteins[1])], {})
    train, test = (kit.task(rows).splits["train"] for rows in (proteins[:3], proteins[3:8]))
    store.add_task(replace(kit.task(proteins[:3], "two"), splits={"train": train, "test": test}))
    bars, folder = Bars(), tmp_path / "bundles"
    folder.mkdir()
    first = publish_records(store, Index(), no_footer, folder, progress=bars)
    assert bars.counts == {
        "collecting proteins": 20, "collecting ids": 1, "collecting alphafold2": 11,
        "collecting pdb": 1,
    }  # fmt: skip
    entries = [(b.kind, b.name, b.records) for b in first.index.bundles.values()]
    assert entries == [
        ("proteins", "", 20), ("ids", "", 1), ("tokens", "alphafold2", 11), ("tokens", "pdb", 1),
    ]  # fmt: skip
    raw = (store.path / "tasks/two.jsonl").read_bytes()
    expected = TaskEntry(sha256(raw).hexdigest(), len(raw), 8, "single_label")
    assert first.index.tasks["two"] == expected
    assert first.index.tasks["toy"].rows == 2
    for path, file in first.files.items():
        assert path.rsplit("/", 1)[1] == sha256(file.read_bytes()).hexdigest()
    kinds = [path.split("/")[1] for path in first.files]
    assert kinds == ["bundles"] * 4 + ["tasks"] * 2

    def footer(sha: str) -> Footer:
        entry = first.index.bundles[sha]
        return parse_footer((folder / sha).read_bytes()[-entry.footer :], entry)

    again = publish_records(store, first.index, footer, folder)
    assert (again.index.bundles, again.files) == ({}, {})
    assert again.index.tasks == first.index.tasks
    store.add_proteins(kit.proteins(22))
    # The same record is published already, but of another source.
    store.add_tokens([kit.tokens(proteins[1], "pdb")], {})
    more = publish_records(store, first.index, footer, folder)
    entries = [(b.kind, b.name, b.records) for b in more.index.bundles.values()]
    assert entries == [("proteins", "", 2), ("tokens", "pdb", 1)]
    other = replace(expected, rows=7)
    index = Index(tasks={**first.index.tasks, "two": other}, bundles=first.index.bundles)
    files = publish_records(store, index, footer, folder).files
    tasks = [path for path in files if path.startswith("share/tasks/")]
    assert tasks == [share_paths.task_path(expected.sha256)]


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_an_entry_and_sums_are_of_the_bytes_that_lie_there(kit, tmp_path, dtype):
    made, proteins = kit.provenance(dtype=dtype), kit.proteins(4)
    store = kit.fill(tmp_path / "store", proteins, (made,))
    (path,) = store.path.glob("embeddings/*/2*")
    entry = segment_entry(path)
    files = {f.relative_to(path).as_posix(): f.read_bytes() for f in path.rglob("*") if f.is_file()}
    assert entry.files == {
        name: FileEntry(len(raw), sha256(raw).hexdigest()) for name, raw in files.items()
    }
    assert (entry.proteins, entry.residues) == (4, sum(map(len, proteins)))
    sums, by_digest = sums_of_segment(path), {p.digest: p for p in proteins}
    for i, row in enumerate(Segment(path).digests):
        embedding = kit.embedding(by_digest[row.tobytes()], made)
        raw = embedding.values.tobytes()
        raw += b"" if embedding.scales is None else embedding.scales.astype("<f2").tobytes()
        assert sums[16 * i : 16 * i + 16] == sha256(raw).digest()[:16]
    assert len(sums) == 16 * 4
    check_segment(path)
    (path / "values/c.0.0").write_bytes(files["values/c.0.0"][::-1])
    with pytest.raises(CorruptStoreError, match="It is not sent") as problem:
        check_segment(path)
    assert str(path) in str(problem.value)


@pytest.mark.parametrize("file", ["checksums.json", "zarr.json"])
def test_a_segment_without_its_list_or_counts_is_damaged(kit, tmp_path, file):
    store = kit.fill(tmp_path / "store", kit.proteins(4), (kit.provenance(),))
    (path,) = store.path.glob("embeddings/*/2*")
    raw = (path / file).read_bytes()
    others = [sealed({"files": []}), sealed({}), sealed({"files": {"../x": {}}})]
    for wrong in (None, b"", raw[:-5], *others):
        (path / file).unlink() if wrong is None else (path / file).write_bytes(wrong)
        with pytest.raises(CorruptStoreError):
            segment_entry(path)


def test_segments_that_are_published_under_their_names_or_others(kit, tmp_path):
    proteins, made = kit.proteins(30), kit.provenance()
    store = kit.fill(tmp_path / "store", proteins, (made,), 5_000)
    new = new_segments(store, Index())
    (folder,) = new.encoders
    segments = new.encoders[folder].segments
    assert new.encoders[folder].provenance == made
    assert list(segments) == sorted(path.name for path in store.path.glob("embeddings/*/2*"))
    assert len(segments) > 3
    (first, entry), *rest = segments.items()
    some = Index(encoders={folder: EncoderEntry(made, {first: entry})})
    assert list(new_segments(store, some).encoders[folder].segments) == [name for name, _ in rest]

    # One published elsewhere has all proteins: by its digests nothing is new.
    there = Index(encoders={folder: EncoderEntry(made, {"there": entry})})
    requests: list[tuple[str, str]] = []

    def digests(*place: str) -> np.ndarray:
        requests.append(place)
        return np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)

    assert list(new_segments(store, there).encoders[folder].segments) == list(segments)
    assert new_segments(store, there, digests).encoders[folder].segments == {}
    assert requests == [(folder, "there")]
    # Of those that lie here too the digests are read here; where all names are there, not at all.
    both = Index(encoders={folder: EncoderEntry(made, {"there": entry, first: entry})})
    requests.clear()
    assert new_segments(store, both, digests).encoders[folder].segments == {}
    assert requests == [(folder, "there")]
    requests.clear()
    assert new_segments(store, new, digests).encoders[folder].segments == {}
    assert requests == []

    reports: list[str] = []
    (store.path / f"embeddings/{folder}/{first}/checksums.json").write_bytes(b"")
    left = new_segments(store, Index(), damaged=reports.append).encoders[folder].segments
    assert list(left) == [name for name, _ in rest]
    assert [first in report for report in reports] == [True]
    with pytest.raises(CorruptStoreError):
        new_segments(store, Index())
