"""A store in a bucket: what others committed is taken in, records and metadata follow."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sesstore.alphabets import ALPHABETS, Alphabet
from sesstore.errors import InputError, StoreError
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.sharing import uploads
from sesstore.sharing.bucket import open_store
from sesstore.sharing.cache import cache_of
from sesstore.sharing.commits import commit, fold, published_index
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.push import push
from sesstore.sharing.share_index import Index
from sesstore.store import Store
from sesstore.store.integrity import verify

from .test_bucket import fill, pulled


@pytest.fixture
def bucket(memory: str) -> str:
    """Object storage in memory: it promises what a server does, without its requests."""
    return memory


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))


def test_segments_of_several_threads_are_all_sent(kit, bucket):
    proteins, made = kit.proteins(30), kit.provenance()
    with (
        open_store(bucket) as store,
        store.writer(made, {}, segment_bytes=4_000) as writer,
        ThreadPoolExecutor(3) as pool,
    ):
        list(pool.map(lambda p: writer.add(kit.embedding(p, made)), proteins))
    (encoder,) = published_index(BucketRemote(bucket)).encoders.values()
    assert sorted(encoder.segments) == sorted(writer.committed)
    assert len(writer.committed) > 3
    assert sum(segment.proteins for segment in encoder.segments.values()) == 30


def test_a_segment_that_cannot_be_sent_is_sent_by_the_next(kit, tmp_path, bucket, monkeypatch):
    real, left = BucketRemote.put, [12]

    def failing(self, path, file):
        left[0] -= 1
        if left[0] < 0:
            raise StoreError("the line is dead")
        real(self, path, file)

    proteins = kit.proteins(40)
    monkeypatch.setattr(BucketRemote, "put", failing)
    with pytest.raises(StoreError, match="dead"), open_store(bucket) as store:
        fill(store, kit, proteins)
    monkeypatch.setattr(BucketRemote, "put", real)
    index = published_index(BucketRemote(bucket))
    before = sum(s.proteins for e in index.encoders.values() for s in e.segments.values())
    assert list(cache_of(bucket).parent.glob("*.writing/*"))
    with open_store(bucket) as store:
        has = store.has_embeddings(kit.provenance().fingerprint, [p.digest for p in proteins])
        assert before < has.sum()
    assert not list(cache_of(bucket).parent.glob("*.writing/*"))
    assert verify(pulled(bucket, tmp_path / "mine").path).ok


def test_folding_misses_nothing(kit, bucket):
    """Records that come while others fold are folded later; nothing is lost, and order counts."""
    target = BucketRemote(bucket)
    with open_store(bucket) as store:
        fill(store, kit, kit.proteins(20))
    index = published_index(target)
    (folder, encoder), *_ = index.encoders.items()
    for name, segment in encoder.segments.items():
        one = Index()
        one.encoders[folder] = type(encoder)(encoder.provenance, {name: segment})
        commit(target, one)
    assert published_index(target).to_bytes() == index.to_bytes()
    assert fold(target) == len(encoder.segments)
    assert fold(target) == 0
    assert published_index(target).to_bytes() == index.to_bytes()


def with_motifs(store: Store, proteins: list[Protein], states: str, source: str) -> None:
    """Tokens in an alphabet of this name, as of another process."""
    ALPHABETS.pop("motifs", None)
    store.declare(Alphabet("motifs", states))
    store.add_proteins(proteins)
    codes = [{"motifs": np.zeros((1, len(p)), np.uint8)} for p in proteins]
    store.add_tokens(
        [StructureTokens(p.digest, source, c) for p, c in zip(proteins, codes, strict=True)], {}
    )


def test_an_alphabet_with_other_states_is_never_shared(kit, tmp_path, bucket) -> None:
    """Neither where it is known when it is declared, nor where both writers began at once."""
    proteins = kit.proteins(4)

    def both_begin() -> None:
        with open_store(bucket) as first, open_store(bucket) as second:
            with_motifs(first, proteins, "AB", "mine")
            first.flush()
            assert first.alphabets() == {"motifs": Alphabet("motifs", "AB")}
            with_motifs(second, proteins, "ABC", "other")

    with pytest.raises(InputError, match="'motifs' is shared there with other states"):
        both_begin()
    before = published_index(BucketRemote(bucket))
    assert before.alphabets == {"motifs": Alphabet("motifs", "AB")}
    assert before.sources() == ["mine"]
    shutil.rmtree(cache_of(bucket).parent)
    ALPHABETS.pop("motifs", None)
    with open_store(bucket) as third:
        with pytest.raises(InputError, match="'motifs' is shared there with other states"):
            third.declare(Alphabet("motifs", "ABC"))
        assert third.alphabets() == before.alphabets
    ALPHABETS.pop("motifs", None)
    assert pulled(bucket, tmp_path / "mine").alphabets() == before.alphabets
    ALPHABETS.pop("motifs", None)


def test_proteins_are_found_by_the_start_of_their_digest(kit, bucket) -> None:
    proteins = kit.proteins(4)
    with open_store(bucket) as store:
        store.add_proteins(proteins)
    with open_store(bucket) as store:
        assert store.find_digests(proteins[2].digest.hex()[:12]) == [proteins[2].digest]


def test_another_task_that_came_meanwhile_is_said(kit, tmp_path, bucket, monkeypatch):
    proteins = kit.proteins(20)
    theirs = kit.fill(tmp_path / "theirs", proteins, ())
    real, calls = uploads.published_index, []

    def published(target: BucketRemote) -> Index:
        index = real(target)
        if not calls:
            calls.append(1)
            push(theirs, bucket)
        return index

    with open_store(bucket) as store:
        store.add_proteins(proteins)
        store.add_task(kit.task(proteins[:2], label=1))
        monkeypatch.setattr(uploads, "published_index", published)
        with pytest.raises(InputError, match="somebody else added another task 'toy'"):
            store.flush()
    assert pulled(bucket, tmp_path / "mine").task("toy").data_digest == (
        theirs.task("toy").data_digest
    )


def test_each_task_arrives_when_it_is_asked_for(kit, bucket) -> None:
    proteins = kit.proteins(6)
    names = ("first", "second", "third")
    with open_store(bucket) as store:
        store.add_proteins(proteins)
        for label, name in enumerate(names):
            store.add_task(kit.task(proteins[:2], name, label))
        digests = {name: store.task(name).data_digest for name in names}
    with open_store(bucket) as store:
        assert {name: store.task(name).data_digest for name in reversed(names)} == digests


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_what_was_added_before_the_end_is_sent(kit, tmp_path, bucket, ending) -> None:
    def work() -> None:
        with open_store(bucket) as store:
            store.add_proteins(kit.proteins(6))
            raise ending

    with pytest.raises(ending):
        work()
    assert pulled(bucket, tmp_path / "mine").count_proteins() == 6
