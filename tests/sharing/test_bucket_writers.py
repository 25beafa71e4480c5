"""Writers of a store in object storage: what they fetch, send, keep and leave, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.alphabets import Alphabet
from sesstore.errors import (
    FingerprintMismatchError,
    InputError,
    MissingFileError,
    NotStoredError,
    StoreError,
    UnknownNameError,
)
from sesstore.sharing import bucket_store, uploads
from sesstore.sharing.bucket import open_store
from sesstore.sharing.cache import cache_of
from sesstore.sharing.commits import published_index
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.share_index import Index
from sesstore.sharing.uploads import claim_encoder, send_records, send_segment
from sesstore.store import layout

from ..noting import Noting


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def target(memory: str) -> BucketRemote:
    return BucketRemote(memory)


def writing(memory: str) -> list[Path]:
    """Scratch folders of writers."""
    return list(cache_of(memory).parent.glob("*.writing/*"))


def test_a_folder_by_its_url_is_made_only_if_it_may(tmp_path):
    with pytest.raises(MissingFileError), open_store(tmp_path / "none", create=False):
        pass
    assert not (tmp_path / "none").exists()
    with open_store(f"file://{tmp_path}/new") as store:
        assert store.path == tmp_path / "new"


def test_an_error_in_the_block_sends_what_was_added_and_stays(memory, target, kit):
    proteins = kit.proteins(3)

    def ends(error: Exception) -> None:
        with open_store(memory) as store:
            store.add_proteins(proteins)
            raise error

    with pytest.raises(KeyError, match="mine"):
        ends(KeyError("mine"))
    bundles = [bundle.records for _, bundle in published_index(target).of_kind("proteins")]
    assert bundles == [3]
    assert target.commits() == []  # folded
    assert writing(memory) == []


def test_what_cannot_be_sent_after_an_error_is_kept_for_the_next(memory, kit, monkeypatch):
    proteins, notes = kit.proteins(3), Noting()

    def fails(*_: object, **__: object) -> None:
        raise StoreError("the line is dead")

    def ends() -> None:
        with open_store(memory, progress=notes) as store:
            store.add_proteins(proteins)
            raise KeyError("mine")

    with monkeypatch.context() as patch:
        patch.setattr(bucket_store, "send_records", fails)
        with pytest.raises(KeyError, match="mine"):
            ends()
    assert notes.notes == ["warning: not all that was added could be sent: the line is dead"]
    notes.notes.clear()
    assert len(writing(memory)) == 1
    with open_store(f"{memory}/", progress=notes) as store:  # the same address
        assert store.count_proteins() == 3
    assert notes.notes == []  # of records nothing is said
    assert writing(memory) == []


def test_segments_that_an_earlier_run_left_are_sent_and_said(memory, target, kit, monkeypatch):
    proteins, made, notes = kit.proteins(4), kit.provenance(), Noting()

    def fails(*_: object) -> None:
        raise StoreError("the line is dead")

    def embed() -> None:
        with open_store(memory) as store, store.writer(made, {}) as writer:
            for protein in proteins:
                writer.add(kit.embedding(protein, made))

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "send_segment", fails)
        with pytest.raises(StoreError, match="dead"):
            embed()
    (folder,) = writing(memory)
    (segment,) = folder.glob("store/embeddings/*/2*")
    with open_store(memory, progress=notes):
        pass
    assert notes.notes == [f"sending {segment.name}, which an earlier run left"]
    assert list(published_index(target).encoders[segment.parent.name].segments) == [segment.name]
    assert writing(memory) == []


def test_nothing_is_sent_where_nothing_was_added(memory, kit, monkeypatch):
    calls = []
    real = bucket_store.send_records
    monkeypatch.setattr(
        bucket_store, "send_records", lambda *a, **k: calls.append(1) or real(*a, **k)
    )
    with open_store(memory) as store:
        store.flush()
        assert not store.unsent
        store.add_proteins(kit.proteins(2))
        assert store.unsent
        store.flush()
        assert not store.unsent
        store.flush()
    assert calls == [1]


def test_a_store_there_answers_as_one_here(memory, kit, tmp_path):
    """Every question of a store, of what somebody else has put there."""
    proteins = kit.proteins(6)
    plain = kit.fill(tmp_path / "plain", proteins, (kit.provenance(),))
    plain.add_task(kit.task(proteins[:3], "small"))
    with open_store(memory) as store:
        store.declare(Alphabet("motifs", "XYZ"))
        send_records(plain, BucketRemote(memory))
        for segment in plain.path.glob("embeddings/*/2*"):
            send_segment(BucketRemote(memory), segment.parent.name, segment)
    digests = [proteins[i].digest for i in (4, 0, 2)]
    questions = {
        "protein": lambda s: s.protein(digests[0]),
        "some": lambda s: list(s.proteins(digests)),
        "all": lambda s: list(s.proteins()),
        "count": lambda s: s.count_proteins(),
        "knows": lambda s: s.knows([digests[1], bytes(32)]),
        "id": lambda s: s.find_id("other-name"),
        "start": lambda s: s.find_digests(proteins[1].digest.hex()[:9], 3),
        "some starts": lambda s: s.find_digests("", 2),
        "names": lambda s: sorted(s.names()),
        "sources": lambda s: s.sources(),
        "tokens": lambda s: s.tokens("alphafold2").digests(),
        "tasks": lambda s: s.tasks(),
        "task": lambda s: s.task("small").data_digest,
        "encoders": lambda s: s.encoders(),
    }
    for question, ask in questions.items():
        with open_store(memory, create=False) as store:
            assert ask(store) == ask(plain), question
            assert not store.unsent
    with open_store(memory) as store:
        assert repr(store) == "BucketStore('s3://memory/lab')"
        for ask in (lambda: store.tokens("pdb"), lambda: store.task("other")):
            with pytest.raises(UnknownNameError):
                ask()
        with pytest.raises(NotStoredError):
            store.protein(bytes(32))
        with pytest.raises(InputError, match="embeddings in s3://memory/lab are read from a copy"):
            store.embeddings()


def test_each_kind_is_fetched_once(memory, kit, monkeypatch):
    proteins = kit.proteins(6)
    with open_store(memory) as store:
        store.add_proteins(proteins)
        store.add_tokens([kit.tokens(protein) for protein in proteins], {})
        store.add_task(kit.task(proteins[:2]))
    selections, real = [], bucket_store.pull

    def pull(into, url, selection, **options):
        selections.append(selection)
        return real(into, url, selection, **options)

    monkeypatch.setattr(bucket_store, "pull", pull)
    with open_store(memory) as store:
        for _ in range(2):
            assert store.task("toy").name == "toy"
            assert len(store.tokens("alphafold2")) == 6
            assert store.count_proteins() == 6
            assert store.find_id("s0p3")
        assert [(s.tasks, s.plms, s.sources) for s in selections] == [
            (("toy",), (), ()), ((), (), ("alphafold2",)), ((), (), ()),
        ]  # fmt: skip
        assert next(store.proteins([proteins[0].digest])).id == "s0p0"
    selections.clear()
    with open_store(memory) as store:
        store.add_proteins(proteins[:2])
        assert [p.id for p in store.proteins([proteins[1].digest])] == ["s0p1"]
        assert selections == []  # what is here is not asked for there
        store.add_tokens([kit.tokens(proteins[0])], {})
        assert [s.sources for s in selections] == [("alphafold2",)]
        assert store.tasks() == ["toy"]


def test_tokens_are_replaced_only_where_that_is_asked_for(memory, target, kit):
    protein = kit.proteins(1)[0]
    with open_store(memory) as store:
        store.add_proteins([protein])
        assert store.add_tokens([kit.tokens(protein)], {}) == 1
    for replace in (False, True):
        with open_store(memory) as store:
            count = store.add_tokens([kit.tokens(protein, salt=3)], {}, replace=replace)
            assert count == int(replace)
        assert len(list(published_index(target).of_kind("tokens"))) == 1 + int(replace)


def test_a_task_of_the_same_rows_is_no_other(memory, kit):
    proteins = kit.proteins(4)
    with open_store(memory) as store:
        store.add_proteins(proteins)
        store.add_task(kit.task(proteins))
        assert store.tasks() == ["toy"]
        store.add_task(kit.task(proteins))
        with pytest.raises(InputError, match="s3://memory/lab has another task 'toy'"):
            store.add_task(kit.task(proteins, label=1))
    with open_store(memory) as store:
        store.add_task(kit.task(proteins))
        assert not store.unsent


def test_embeddings_are_known_by_digests_that_are_fetched_once(memory, target, kit, monkeypatch):
    proteins, made = kit.proteins(6), kit.provenance()
    other = kit.provenance("other")
    fetches, real = [], bucket_store.Reader.digests

    def digests(self, index: Index, folder: str, segment: str):
        fetches.append(segment)
        return real(self, index, folder, segment)

    with open_store(memory) as store, open_store(memory) as late:
        wanted = [protein.digest for protein in proteins]
        assert late.has_embeddings(made.fingerprint, wanted).tolist() == [False] * 6
        monkeypatch.setattr(bucket_store.Reader, "digests", digests)
        for encoder, rows in ((made, proteins[1:3]), (other, proteins[3:]), (made, proteins[5:])):
            with store.writer(encoder, {}) as writer:
                for protein in rows:
                    writer.add(kit.embedding(protein, encoder))
        for _ in range(2):  # what others committed since it was opened
            has = late.has_embeddings(made.fingerprint, wanted)
            assert has.tolist() == [False, True, True, False, False, True]
    assert len(fetches) == len(set(fetches)) == 2


def test_an_encoder_is_claimed_once_for_all_writers(memory, target, kit):
    made = kit.provenance()
    folder = layout.encoder_folder(made)
    claim_encoder(target, made)
    groups = {
        "zarr.json": {"format": layout.FORMAT, "kind": "store"},
        "embeddings/zarr.json": {"kind": "embeddings"},
        f"embeddings/{folder}/zarr.json": {"kind": "encoder", "provenance": made.to_json()},
    }
    assert {file.path for file in target.listing("embeddings")} == set(list(groups)[1:])
    for path, attributes in groups.items():
        raw = b"".join(target.stream(path))
        assert layout.parse_group(raw, path) == attributes
    claim_encoder(target, made)
    with open_store(memory) as store:
        for wrong in (kit.provenance(dim=8), kit.provenance(dtype="float32")):
            with pytest.raises(FingerprintMismatchError):
                store.writer(wrong, {})
