from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import InputError, NotStoredError, StoreError, UnknownNameError
from sesstore.residues import Embedding
from sesstore.sharing.cache import cache_of, remote_store, url_of
from sesstore.sharing.push import push
from sesstore.store.integrity import verify

from ..noting import Noting


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))


def test_what_a_task_needs_is_there_and_stays(shared, file_server):
    push(shared, str(shared.path))
    where = file_server(shared.path)
    store = remote_store(where, "toy", "enc")
    assert store.path == cache_of(where)
    assert verify(store.path).ok
    assert len(store.embeddings()) == 20
    assert store.tasks() == ["toy"]
    assert len(remote_store(where, "toy", "int").embeddings("int")) == 20
    assert len(store.encoders()) == 2


def test_every_address_has_a_copy_of_its_own():
    beginning = "https://storage.example.org/" + "laboratory-" * 6
    addresses = [
        "s3://lab/a-b", "s3://lab-a/b", "s3://lab/a_b", "gs://lab/a-b", beginning + "x",
        beginning + "y",
    ]  # fmt: skip
    folders = {cache_of(address) for address in addresses}
    assert len(folders) == len(addresses)
    assert cache_of("s3://lab/a-b/") == cache_of("s3://lab/a-b")


def test_an_encoder_that_is_not_there_can_be_run_here(shared, file_server):
    push(shared, str(shared.path))
    store = remote_store(file_server(shared.path), "toy", "blosum62")
    assert store.encoders() == []
    assert store.count_proteins() == 20


def test_without_a_choice_nothing_is_guessed(shared, file_server):
    push(shared, str(shared.path))
    where = file_server(shared.path)
    with pytest.raises(InputError, match="which encoder"):
        remote_store(where, "toy")
    with pytest.raises(UnknownNameError, match="Did you mean 'toy'"):
        remote_store(where, "toys", "enc")
    assert not cache_of(where).exists() or not list(cache_of(where).glob("embeddings/*-*"))


@pytest.mark.parametrize("plm", [None, "enc"])
def test_means_are_no_encoder_to_train_on_and_stay_there(kit, tmp_path, file_server, plm):
    made = kit.provenance()
    store = kit.fill(tmp_path / "there", kit.proteins(20), (made,))
    means = replace(made, fingerprint=made.fingerprint.of_means)
    with store.writer(means, {}) as writer:
        for protein in store.proteins():
            writer.add(Embedding(protein.digest, np.ones((1, made.dim), np.float16)))
    push(store, str(store.path))
    copy = remote_store(file_server(store.path), "toy", plm)
    assert [stored.fingerprint for stored in copy.encoders()] == [made.fingerprint]


def test_without_a_line_the_copy_is_used(shared, monkeypatch, tmp_path):
    from sesstore.sharing import cache

    push(shared, str(tmp_path / "there"))
    where = str(tmp_path / "there")
    remote_store(where, "toy", "enc")

    def dead(*_, **__):
        raise StoreError("the line is dead")

    monkeypatch.setattr(cache, "open_place", dead)
    assert remote_store(where, "toy", "enc").tasks() == ["toy"]
    for address, task in ((where, "other"), (str(tmp_path / "never-read"), "toy")):
        with pytest.raises(StoreError, match="dead"):
            remote_store(address, task, "enc")


def test_urls_survive_being_paths():
    assert url_of(Path("https://a.org/x")) == "https://a.org/x"
    assert url_of(Path("s3://bucket/x")) == "s3://bucket/x"
    for plain in ("store", "/abs/store", "./https", "c:x"):
        assert url_of(Path(plain)) is None


def test_what_was_done_is_said(shared, monkeypatch, tmp_path):
    from sesstore.sharing import cache

    push(shared, str(tmp_path / "there"))
    where, notes = str(tmp_path / "there"), Noting()
    path = remote_store(where, "toy", "blosum62", progress=notes).path
    assert notes.notes[0] == f"{where} has no embeddings by blosum62: they will be made here"
    assert len(notes.notes) == 2
    assert notes.notes[1].endswith(f"bytes pulled into {path}")
    notes = Noting()
    remote_store(where, "toy", "enc", progress=notes)
    assert len(notes.notes) == 1  # the embeddings alone
    remote_store(where, "toy", "enc", progress=notes)
    assert len(notes.notes) == 1  # nothing new

    def dead(*_, **__):
        raise StoreError("the line is dead")

    monkeypatch.setattr(cache, "open_place", dead)
    remote_store(where, "toy", "enc", progress=notes)
    assert notes.notes[1:] == [f"the line is dead. Using the copy in {path}"]

    def gone(*_, **__):
        raise NotStoredError("there is no such store")

    monkeypatch.setattr(cache, "open_place", gone)
    with pytest.raises(NotStoredError, match="no such store"):  # an answer, and no dead line
        remote_store(where, "toy", "enc")


@pytest.mark.parametrize(("plm", "layers"), [(None, [33]), ("enc", [33]), ("9", [9])])
def test_of_the_layers_of_an_encoder_the_deepest_comes(kit, tmp_path, plm, layers):
    made = kit.provenance()
    encoders = [
        replace(made, fingerprint=replace(made.fingerprint, layer=layer)) for layer in (9, 33, 12)
    ]
    store = kit.fill(tmp_path / "there", kit.proteins(10), tuple(encoders))
    name = encoders[0].fingerprint.digest[:12] if plm == "9" else plm
    copy = remote_store(str(store.path), "toy", name)
    assert [stored.fingerprint.layer for stored in copy.encoders()] == layers


def test_a_copy_has_a_name_people_recognise(tmp_path):
    path = cache_of("s3://lab.org/my_store/")
    assert path.parent == tmp_path / "cache" / "stores"
    digest = sha256(b"s3://lab.org/my_store").hexdigest()[:12]
    assert path.name == f"s3-lab-org-my-store-{digest}"
    long = "https://storage.example.org/" + "laboratory/" * 9
    name = cache_of(long).name.rsplit("-", 1)[0]
    assert name == long.replace("://", "-").replace(".", "-").replace("/", "-")[:60]
