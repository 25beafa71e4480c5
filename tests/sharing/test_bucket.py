"""Stores whose home is object storage, against an S3 API server on localhost."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import FingerprintMismatchError, InputError, NotStoredError, StoreError
from sesstore.provenance import circumstances
from sesstore.sharing import share_paths
from sesstore.sharing.bucket import open_store
from sesstore.sharing.cache import cache_of
from sesstore.sharing.cleanup import remote_gc
from sesstore.sharing.commits import published_index
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.pull import pull
from sesstore.store import Store
from sesstore.store.diff import compare_stores
from sesstore.store.integrity import verify
from sesstore.store.layout import committed

from ..noting import Noting

CHILD = """
import sys
import numpy as np
from sesstore.provenance import Fingerprint, Provenance, circumstances
from sesstore.proteins import Protein
from sesstore.residues import Embedding
from sesstore.sharing.bucket import open_store
made = Provenance(Fingerprint("part", "ab" * 32, 6, "esm1b", "windows(1022,256)", "fp32"), 8)
print("ready", flush=True)
where, file, first, step = sys.argv[1:]
proteins = [Protein(*line.split()) for line in open(file)][int(first)::int(step)]
with open_store(where) as store:
    store.add_proteins(proteins)
    has = store.has_embeddings(made.fingerprint, [p.digest for p in proteins])
    with store.writer(made, circumstances(), segment_bytes=6000) as writer:
        for protein in (p for p, known in zip(proteins, has) if not known):
            seed = int.from_bytes(protein.digest[:4], "big")
            rows = np.random.default_rng(seed).standard_normal((len(protein), 8))
            writer.add(Embedding(protein.digest, rows.astype(np.float16)))
"""
"""Embeds every so-manieth protein of a file, by an encoder made of chance: values by digest."""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))


def fill(store: Store, kit, proteins, segment_bytes: int = 10_000) -> None:
    store.add_proteins(proteins)
    with store.writer(kit.provenance(), circumstances(), segment_bytes=segment_bytes) as writer:
        for protein in proteins:
            writer.add(kit.embedding(protein, kit.provenance()))


def pulled(bucket: str, path: Path) -> Store:
    pull(path, bucket)
    assert verify(path).ok
    return Store.open(path)


def test_written_to_s3_equals_written_to_disk(kit, tmp_path, bucket):
    proteins = kit.proteins(60)
    local = Store.create(tmp_path / "local")
    with open_store(bucket) as store:
        for one in (store, local):
            fill(one, kit, proteins)
            one.add_tokens([kit.tokens(p) for p in proteins[::2]], circumstances())
            one.add_task(kit.task(proteins[:9]))
        segments = len(published_index(BucketRemote(bucket)).encoders.popitem()[1].segments)
        assert segments > 3
        assert not list(store.path.glob("embeddings/*/2*"))
    assert compare_stores(local, pulled(bucket, tmp_path / "mine")).same
    assert BucketRemote(bucket).commits() == []
    assert not list(cache_of(bucket).parent.glob("*.writing/*"))


def test_what_is_there_is_known_and_read(kit, tmp_path, bucket):
    proteins = kit.proteins(30)
    with open_store(bucket) as store:
        fill(store, kit, proteins[:20])
        store.add_task(kit.task(proteins[:9]))
        store.add_tokens([kit.tokens(p) for p in proteins[:5]], circumstances())
    with open_store(bucket, create=False) as store:
        has = store.has_embeddings(kit.provenance().fingerprint, [p.digest for p in proteins])
        assert has.tolist() == [True] * 20 + [False] * 10
        other = kit.provenance("other").fingerprint
        assert not store.has_embeddings(other, [p.digest for p in proteins]).any()
        assert [p.fingerprint.encoder for p in store.encoders()] == ["enc"]
        assert store.tasks() == ["toy"]
        assert store.count_proteins() == 20
        rows = [row.tobytes() for row in store.task("toy").splits["train"].digests]
        assert {p.sequence for p in store.proteins(rows)} == {p.sequence for p in proteins[:9]}
        assert store.find_id(proteins[3].id) == [proteins[3].digest]
        assert len(list(store.tokens("alphafold2"))) == 5
        assert store.add_tokens([kit.tokens(proteins[0], salt=1)], circumstances()) == 0
        with pytest.raises(InputError, match="another task 'toy'"):
            store.add_task(kit.task(proteins[:9], label=1))


def test_another_width_is_refused_before_anything_is_sent(kit, bucket):
    with open_store(bucket) as store:
        fill(store, kit, kit.proteins(5))
        with pytest.raises(FingerprintMismatchError, match="16 columns"):
            store.writer(kit.provenance(dim=8), circumstances())


def test_there_must_be_a_store_where_none_is_made(bucket):
    with pytest.raises(NotStoredError, match="no shared store"), open_store(bucket, create=False):
        pass


def test_a_folder_is_opened_as_it_is(tmp_path):
    with open_store(tmp_path / "new") as store:
        assert type(store) is Store


def test_commit_means_that_all_see_it(kit, bucket):
    proteins, made = kit.proteins(4), kit.provenance()
    with open_store(bucket) as store, store.writer(made, circumstances()) as writer:
        for protein in proteins:
            writer.add(kit.embedding(protein, made))
        assert not published_index(BucketRemote(bucket)).encoders
        name = writer.commit()
        (encoder,) = published_index(BucketRemote(bucket)).encoders.values()
        assert list(encoder.segments) == [name]


def run(*arguments: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_three_parts_at_once_some_killed_equal_one_plain_run(kit, tmp_path, bucket):
    """Two of the three are killed at random moments and run again."""
    rng, proteins, file = random.Random(3), kit.proteins(300), tmp_path / "all"
    file.write_text("".join(f"{p.id} {p.sequence}\n" for p in proteins))
    parts = [run(bucket, str(file), str(i), "3") for i in range(3)]
    for child in parts[:2]:
        try:
            child.wait(rng.uniform(0.05, 0.4))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
    assert -signal.SIGKILL in [child.wait() for child in parts]
    published_index(BucketRemote(bucket))  # sound, whatever was being written
    again = [run(bucket, str(file), str(i), "3") for i in range(2)]
    plain = run(str(tmp_path / "local"), str(file), "0", "1")
    assert [child.wait() for child in [*again, plain]] == [0, 0, 0]
    local, mine = Store.open(tmp_path / "local"), pulled(bucket, tmp_path / "mine")
    assert compare_stores(local, mine).same
    one, other = local.embeddings(), mine.embeddings()
    assert len(one) == len(other) == len(proteins)
    for protein in proteins:
        np.testing.assert_array_equal(one.get(protein.digest), other.get(protein.digest))


def test_leftovers_are_listed_and_removed(kit, tmp_path, bucket):
    with open_store(bucket) as store:
        fill(store, kit, kit.proteins(10))
    target, junk = BucketRemote(bucket), tmp_path / "junk"
    junk.write_bytes(b"x" * 100)
    (folder,) = published_index(target).encoders
    lost = share_paths.segment_path(folder, "20260101T000000000000-" + "0" * 16, "values/c.0.0")
    target.put(lost, junk)
    assert remote_gc(bucket, older_than=3600).removed == []
    report = remote_gc(bucket, older_than=0, dry_run=True)
    assert (report.removed, report.bytes) == ([lost], 100)
    assert remote_gc(bucket, older_than=0).removed == [lost]
    assert remote_gc(bucket, older_than=0).removed == []
    assert verify(pulled(bucket, tmp_path / "mine").path).ok


def leave_behind(kit, bucket: str, proteins, monkeypatch) -> Path:
    """What a writer leaves that is killed before anything was sent: its scratch store."""

    def dies(*_: object, **__: object) -> None:
        raise StoreError("killed")

    def write() -> None:
        made = kit.provenance()
        with open_store(bucket) as store, store.writer(made, circumstances()) as writer:
            for protein in proteins:
                writer.add(kit.embedding(protein, made))

    with monkeypatch.context() as patch:
        patch.setattr(BucketRemote, "put", dies)
        with pytest.raises(StoreError, match="killed"):
            write()
    (folder,) = cache_of(bucket).parent.glob("*.writing/*")
    return folder / "store"


@pytest.mark.parametrize("file", ["values/c.0.0", "digests/c.0.0", "checksums.json", "zarr.json"])
def test_a_leftover_that_is_damaged_is_not_sent(kit, tmp_path, bucket, monkeypatch, file):
    """By a power cut, say. It is kept and said, and its proteins are not taken for embedded."""
    proteins, notes = kit.proteins(10), Noting()
    scratch = leave_behind(kit, bucket, proteins, monkeypatch)
    (path,) = scratch.glob(f"embeddings/*/2*/{file}")
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)
    with open_store(bucket, progress=notes) as store:
        has = store.has_embeddings(kit.provenance().fingerprint, [p.digest for p in proteins])
        assert not has.any()
        fill(store, kit, proteins)
    assert any("damaged" in note and path.parent.name in note for note in notes.notes)
    assert not list(cache_of(bucket).parent.glob("*.writing/*"))
    (kept,) = cache_of(bucket).parent.glob(f"*.damaged/*/store/embeddings/*/2*/{file}")
    assert kept.read_bytes() == raw
    assert len(pulled(bucket, tmp_path / "mine").embeddings()) == 10


@pytest.mark.parametrize("file", ["zarr.json", "proteins.lmdb"])
def test_a_scratch_folder_that_is_damaged_holds_nobody_up(kit, tmp_path, bucket, monkeypatch, file):
    proteins, notes = kit.proteins(10), Noting()
    scratch = leave_behind(kit, bucket, proteins, monkeypatch)
    Store.open(scratch).add_proteins(proteins)
    size = (scratch / file).stat().st_size
    (scratch / file).write_bytes(bytes(size))
    with open_store(bucket, progress=notes) as store:
        fill(store, kit, proteins)
    assert any("damaged" in note for note in notes.notes)
    assert len(pulled(bucket, tmp_path / "mine").embeddings()) == 10


def test_the_scratch_folder_of_a_living_writer_is_left_alone(kit, bucket):
    proteins = kit.proteins(4)
    with open_store(bucket) as store:
        store.add_proteins(proteins)
        with open_store(bucket) as other:
            assert other.count_proteins() == 0
        assert store.path.is_dir()
        assert [p.id for p in store.proteins([proteins[0].digest])] == [proteins[0].id]
    with open_store(bucket) as store:
        assert store.count_proteins() == 4


def test_a_scratch_folder_that_another_process_removes_meanwhile(
    kit, bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that begin at once find the same remains; one of them sends them."""
    root = cache_of(BucketRemote(bucket).url)
    remains = root.with_name(f"{root.name}.writing") / "0123456789ab"
    for moment in ("listed", "opened"):
        remains.mkdir(parents=True)
        take = os.rmdir if moment == "listed" else None
        real_open, real_lock = os.open, fcntl.flock

        def open_folder(path, *flags, take=take, real_open=real_open, **options):
            if take is not None and Path(path) == remains:
                take(path)
            return real_open(path, *flags, **options)

        def lock(handle, how, moment=moment, real_lock=real_lock):
            if moment == "opened" and remains.is_dir():
                remains.rmdir()
            return real_lock(handle, how)

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", open_folder)
            patch.setattr(fcntl, "flock", lock)
            with open_store(bucket, create=True) as store:
                assert store.encoders() == []
        assert not remains.exists()


def test_a_scratch_folder_is_locked_before_others_see_it(
    bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = cache_of(BucketRemote(bucket).url)
    writing, real_lock, visible = root.with_name(f"{root.name}.writing"), fcntl.flock, []

    def lock(handle, how):
        visible.append(committed(writing))
        return real_lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", lock)
    with open_store(bucket, create=True):
        assert len(committed(writing)) == 1
    assert visible[0] == []
