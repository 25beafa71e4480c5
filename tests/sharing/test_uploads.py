"""What a writer in object storage sends, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.provenance import circumstances
from sesstore.sharing import uploads
from sesstore.sharing.bucket import open_store
from sesstore.sharing.object_storage import BucketRemote

from .test_bucket import fill


@pytest.fixture
def bucket(memory: str) -> str:
    """Object storage in memory: it promises what a server does, without its requests."""
    return memory


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))


def test_records_of_a_writer_are_taken_in_now_and_then(kit, bucket, monkeypatch):
    """By how many it has sent, however many more were committed meanwhile."""
    folds = []
    monkeypatch.setattr(uploads, "_FOLD_AFTER", 3)
    monkeypatch.setattr(uploads, "fold", folds.append)
    proteins, made = kit.proteins(70), kit.provenance()
    with open_store(bucket) as store:
        store.add_proteins(proteins)
        with store.writer(made, circumstances(), segment_bytes=5_000) as writer:
            for protein in proteins:
                writer.add(kit.embedding(protein, made))
        assert len(folds) == len(writer.committed) // 3 > 1


def test_metadata_of_a_segment_arrive_after_what_they_are_of(kit, bucket, monkeypatch):
    """Whoever reads the bucket as plain Zarr never finds an array that is not there."""
    real, sent = BucketRemote.put, []

    def put(self: BucketRemote, path: str, file: Path) -> None:
        real(self, path, file)
        sent.append(path)

    monkeypatch.setattr(BucketRemote, "put", put)
    with open_store(bucket) as store:
        fill(store, kit, kit.proteins(10), 1 << 20)
    mine = [path for path in sent if path.startswith("embeddings/")]
    metadata = [place for place, path in enumerate(mine) if path.endswith("zarr.json")]
    assert metadata == list(range(len(mine) - len(metadata), len(mine)))
    assert 0 < len(metadata) < len(mine)
