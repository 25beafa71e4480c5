from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import zarr

from sesstore.errors import CorruptStoreError, InputError, StoreError
from sesstore.progress import SILENT
from sesstore.sharing import share_paths
from sesstore.sharing.commits import published_index
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.pull import pull
from sesstore.sharing.pull_context import Selection
from sesstore.sharing.push import push
from sesstore.store import Store
from sesstore.store.compaction import compact
from sesstore.store.diff import compare_stores
from sesstore.store.integrity import verify


def same(one: Store, other: Store) -> bool:
    return verify(other.path).ok and compare_stores(one, other).same


def test_to_a_folder_and_back_over_http(shared, tmp_path, file_server):
    report = push(shared, str(tmp_path / "there"))
    values = sum(f.stat().st_size for f in shared.path.glob("embeddings/*/2*/values/c.*"))
    assert report.bytes > values
    there = Store.open(tmp_path / "there")
    assert same(shared, there)
    again = push(shared, str(tmp_path / "there"))
    assert (again.bytes, again.files, again.segments, again.bundles) == (0, 0, 0, 0)
    for ranges in (True, False):
        mine = Store.create(tmp_path / f"mine{ranges}")
        pull(mine, file_server(there.path, ranges=ranges))
        assert same(shared, mine)


def test_to_s3_and_back(shared, kit, tmp_path, bucket):
    report = push(shared, bucket)
    assert report.segments == len(list(shared.path.glob("embeddings/*/2*")))
    target = BucketRemote(bucket)
    index = published_index(target)
    assert (report.bundles, report.tasks) == (len(index.bundles), 1)
    sizes = {
        file.path: file.bytes for top in ("share", "embeddings") for file in target.listing(top)
    }
    sizes["zarr.json"] = target.size("zarr.json")
    del sizes[share_paths.INDEX]
    assert (report.files, report.bytes) == (len(sizes), sum(sizes.values()))
    again = push(shared, bucket)
    assert (again.bytes, again.files, again.segments, again.bundles) == (0, 0, 0, 0)
    mine = Store.create(tmp_path / "mine")
    pull(mine, bucket)
    assert same(shared, mine)
    part = Store.create(tmp_path / "part")
    report = pull(part, bucket, Selection(tasks=("toy",), plms=("enc",)))
    assert verify(part.path).ok
    assert len(part.embeddings()) == 20
    more = kit.fill(tmp_path / "more", kit.proteins(30, seed=5))
    report = push(more, bucket)
    assert report.conflicts == ["toy"]
    assert report.bytes > 0
    pull(mine, bucket)
    assert mine.count_proteins() == 230


def test_a_pushed_store_is_plain_zarr(shared, bucket):
    import obstore
    from zarr.storage import ObjectStore

    push(shared, bucket)
    root = zarr.open_group(ObjectStore(obstore.store.from_url(bucket), read_only=True), mode="r")
    (segment, *_) = shared.path.glob("embeddings/enc-*/2*")
    values = root[str((segment / "values").relative_to(shared.path))]
    assert values[:3].shape == (3, 16)


def test_pushing_after_compaction_moves_no_embeddings(shared, bucket):
    push(shared, bucket)
    compact(shared)
    assert push(shared, bucket).bytes == 0


def test_two_that_push_at_once_both_count(shared, kit, tmp_path, bucket):
    stores = [kit.fill(tmp_path / f"s{i}", kit.proteins(20, seed=i + 2)) for i in range(3)]
    threads = [threading.Thread(target=push, args=(store, bucket)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mine = Store.create(tmp_path / "mine")
    pull(mine, bucket)
    assert mine.count_proteins() == 60
    assert len(mine.embeddings("enc")) == 60


def test_a_damaged_segment_is_not_sent(shared, bucket):
    values = next(shared.path.glob("embeddings/*/*/values/c.0.0"))
    raw = bytearray(values.read_bytes())
    raw[5] ^= 1
    values.write_bytes(raw)
    with pytest.raises(CorruptStoreError, match="not sent"):
        push(shared, bucket)
    with pytest.raises(StoreError, match="no shared store"):
        pull(shared, bucket)


def test_an_interrupted_push_goes_on(shared, tmp_path, bucket, monkeypatch):
    real, left = BucketRemote.put, [10]

    def failing(self, path, file):
        left[0] -= 1
        if left[0] == 0:
            raise OSError("the line is dead")
        real(self, path, file)

    monkeypatch.setattr(BucketRemote, "put", failing)
    with pytest.raises(OSError, match="dead"):
        push(shared, bucket)
    monkeypatch.setattr(BucketRemote, "put", real)
    push(shared, bucket)
    mine = Store.create(tmp_path / "mine")
    pull(mine, bucket)
    assert same(shared, mine)


def test_http_can_only_be_read(shared, file_server, tmp_path):
    with pytest.raises(InputError, match="only be read"):
        push(shared, file_server(tmp_path))


def test_a_folder_that_is_no_store_is_not_touched(shared, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="holds other things"):
        push(shared, str(tmp_path / "home"))
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["thesis.tex"]


def test_a_segment_is_sent_if_any_of_its_proteins_is_new(kit, tmp_path, bucket):
    """Also if others of it are published already, in another segment."""
    proteins, made = kit.proteins(15), (kit.provenance(),)
    push(kit.fill(tmp_path / "first", proteins[:10], made), bucket)
    assert push(kit.fill(tmp_path / "second", proteins, made), bucket).segments == 1
    mine = Store.create(tmp_path / "mine")
    pull(mine, bucket)
    assert len(mine.embeddings()) == 15
    assert push(kit.fill(tmp_path / "third", proteins[3:9], made), bucket).segments == 0


def test_what_differs_in_a_folder_stays_and_is_named(shared, kit, tmp_path):
    push(shared, str(tmp_path / "there"))
    proteins = kit.proteins(20)
    mine = Store.create(tmp_path / "mine")
    mine.add_proteins(proteins)
    mine.add_tokens([kit.tokens(proteins[0], salt=1)], {})
    mine.add_task(kit.task(proteins, label=1))
    report = push(mine, str(tmp_path / "there"))
    assert len(report.conflicts) == 2
    assert {words.split()[0] for words in report.conflicts} == {"task", "tokens"}
    there = Store.open(tmp_path / "there")
    assert there.task("toy").data_digest == shared.task("toy").data_digest
    assert report.tasks == 0


def test_what_a_folders_own_compaction_removed_is_forgotten(shared, kit, tmp_path, file_server):
    there = tmp_path / "there"
    push(shared, str(there))
    compact(Store.open(there))
    push(kit.fill(tmp_path / "more", kit.proteins(10, seed=3)), str(there))
    mine = Store.create(tmp_path / "mine")
    pull(mine, file_server(there))
    assert len(mine.embeddings("enc")) == 210
    shutil.rmtree(there)


class Bars:
    """Progress that keeps how many units each stage had, and how far it went."""

    note = staticmethod(SILENT.note)

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None, list[int]]] = []

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str):
        amounts: list[int] = []
        self.stages.append((name, total, amounts))

        def advance(amount: int = 1) -> None:
            amounts.append(amount)

        yield SimpleNamespace(advance=advance)


def test_a_push_draws_what_it_counts(kit, tmp_path, memory):
    store, bars = kit.fill(tmp_path / "store", kit.proteins(12), (kit.provenance(),), 5_000), Bars()
    report = push(store, f"{memory}/", progress=bars)
    target = BucketRemote(memory)
    files = {f.path: f.bytes for top in ("share", "embeddings") for f in target.listing(top)}
    index = files.pop(share_paths.INDEX)
    assert (report.to, report.conflicts) == (memory, [])
    assert report.files == len(files) + 1  # and the group of the store itself
    assert report.bytes == sum(files.values()) + target.size("zarr.json")
    assert index == len(published_index(target).to_bytes())
    name, total, amounts = bars.stages[-1]
    assert (name, total, sum(amounts), len(amounts)) == (
        "pushing", report.bytes, report.bytes, report.files,
    )  # fmt: skip
    (folder,) = published_index(target).encoders
    for path in ("zarr.json", "embeddings/zarr.json", f"embeddings/{folder}/zarr.json"):
        assert b"".join(target.stream(path)) == (store.path / path).read_bytes()
    assert (report.segments, report.bundles, report.tasks) == (
        len(list(store.path.glob("embeddings/*/2*"))), 3, 1,
    )  # fmt: skip
    store.add_task(kit.task(kit.proteins(5), "later"))
    store.add_proteins(kit.proteins(14))
    report = push(store, memory)
    assert (report.segments, report.bundles, report.tasks, report.files) == (0, 1, 1, 2)
    assert report.to_json()["bytes"] == report.bytes > 0


@pytest.mark.parametrize(("failures", "ends"), [(9, True), (10, False)])
def test_an_index_that_others_replace_is_tried_again(
    kit, tmp_path, memory, monkeypatch, failures, ends
):
    store = kit.fill(tmp_path / "store", kit.proteins(3), ())
    real, calls = BucketRemote.replace_index, []

    def replace_index(self: BucketRemote, raw: bytes, version: object) -> bool:
        calls.append(raw)
        return len(calls) > failures and real(self, raw, version)

    monkeypatch.setattr(BucketRemote, "replace_index", replace_index)
    if ends:
        push(store, memory)
        assert published_index(BucketRemote(memory)).to_bytes() == calls[0]
    else:
        with pytest.raises(StoreError, match=f"others keep pushing to {memory}. Everything was"):
            push(store, memory)
    assert len(calls) == 10


def test_a_push_into_a_folder_says_what_came_and_what_stays(kit, tmp_path):
    proteins, there = kit.proteins(6), tmp_path / "there"
    theirs = kit.fill(there, proteins, ())
    theirs.add_task(kit.task(proteins[:2], "both"))
    mine = kit.fill(tmp_path / "mine", kit.proteins(8), (kit.provenance(),))
    mine.add_task(kit.task(proteins[:2], "both", label=1))
    report = push(mine, f"file://{there}")
    assert report.to == str(there)
    assert report.conflicts == ["task both"]
    values = sum(f.stat().st_size for f in there.glob("embeddings/*/2*/**/*") if f.is_file())
    assert report.bytes > values > 0
    assert Store.open(there).count_proteins() == 8
    assert Store.open(there).task("both").splits["train"].labels == [0, 1]
    assert push(mine, str(there)).bytes == 0
