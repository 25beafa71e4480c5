from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from sesstore.alphabets import Alphabet
from sesstore.errors import (
    CorruptStoreError,
    InputError,
    MissingFileError,
    StoreFormatError,
    UnknownNameError,
)
from sesstore.residues import Embedding
from sesstore.store import Store, layout
from sesstore.store import store as module
from sesstore.store.integrity import verify


def test_opening_wants_a_store(tmp_path):
    with pytest.raises(MissingFileError, match="make one with `sesstore add`"):
        Store.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    made = Store.open(tmp_path / "new", create=True)
    assert Store.open(tmp_path / "new").attributes == made.attributes
    assert Store.create(str(tmp_path / "new")).encoders() == []
    assert made.sources() == made.tasks() == []


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "things").mkdir()
    (tmp_path / "things/file").write_text("mine")
    with pytest.raises(StoreFormatError, match="Name a new or an empty folder"):
        Store.create(tmp_path / "things")
    with pytest.raises(StoreFormatError):
        Store.create(tmp_path / "things/file")
    assert [p.name for p in (tmp_path / "things").iterdir()] == ["file"]


def test_a_newer_format_is_refused(tmp_path):
    Store.create(tmp_path / "s")
    root = tmp_path / "s/zarr.json"
    attributes = {**layout.read_group(root), "format": 2}
    root.write_bytes(layout.group_metadata(attributes))
    with pytest.raises(StoreFormatError, match="format 2"):
        Store.open(tmp_path / "s")


def test_changed_root_metadata_are_noticed(tmp_path):
    Store.create(tmp_path / "s")
    root = tmp_path / "s/zarr.json"
    for change in (
        b"{}",
        b"",
        b"[]",
        b"\xff",
        root.read_bytes().replace(b'"format": 1', b'"format": 3'),
    ):
        root.write_bytes(change)
        with pytest.raises(CorruptStoreError):
            Store.open(tmp_path / "s")


def test_a_store_can_be_read_where_nothing_can_be_written(filled, tmp_path, kit):
    """Copies without lock files, as from a read-only mount: opened without locks."""
    import os
    import shutil
    import subprocess
    import sys

    copy = tmp_path / "copy"
    shutil.copytree(filled.store.path, copy, ignore=shutil.ignore_patterns("*-lock"))
    code = (
        "import os, sys; real = os.access;"
        "os.access = lambda p, m, **k: False if m == os.W_OK else real(p, m, **k);"
        "from sesstore.store import Store; s = Store.open(sys.argv[1]);"
        "print(s.count_proteins(), len(s.tokens('alphafold2')), len(list(s.proteins())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(copy)], capture_output=True, text=True, check=True
    )
    count = str(len({p.digest for p in filled.proteins}))
    assert done.stdout.split() == [count] * 3
    assert not [name for name in os.listdir(copy) if name.endswith("-lock")]


def test_metadata_are_plain_zarr_json(filled):
    document = json.loads((filled.store.path / "zarr.json").read_bytes())
    assert document["zarr_format"] == 3
    assert document["attributes"]["sesstore"]["format"] == 1


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_store_killed_while_it_was_being_made_is_made_by_the_next_run(tmp_path, call):
    """At every call of its kind: what is left over is no other person's content."""
    for number in range(1, 12):
        path, child = tmp_path / str(number), os.fork()
        if child == 0:
            real, count = getattr(os, call), [0]

            def dying(*arguments, real=real, count=count, number=number):
                count[0] += 1
                if count[0] == number:
                    os._exit(9)
                return real(*arguments)

            setattr(os, call, dying)
            try:
                Store.create(path)
            finally:
                os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert Store.create(path).encoders() == []
        assert verify(path).ok
        if ended == 0:
            return
    raise AssertionError("it was always killed")


def test_it_says_what_it_knows_and_has(filled, kit):
    store, known = filled.store, filled.proteins[:3]
    stranger = kit.proteins(31)[30]
    asked = [stranger.digest, *(p.digest for p in known)]
    assert repr(store) == f"Store('{store.path}')"
    assert store.knows(iter(asked)) == [False, True, True, True]
    first, second = filled.provenances
    assert store.has_embeddings(first.fingerprint, asked).tolist() == [False, True, True, True]
    absent = kit.provenance(layer=9).fingerprint
    assert store.has_embeddings(absent, iter(asked)).tolist() == [False] * 4
    assert store.provenance_of(second.fingerprint) == second
    assert store.provenance_of(absent) is None
    assert store.encoder_folder(second.fingerprint).name == layout.encoder_folder(second)
    digests = sorted(p.digest for p in filled.proteins)
    assert store.find_digests("") == digests[:20]
    assert store.find_digests(digests[3].hex()[:9], 1) == [digests[3]]
    assert sorted(store.names()) == sorted((p.id, p.digest) for p in filled.proteins)
    assert [p.id for p in store.proteins(p.digest for p in known[::-1])] == ["p2", "p1", "p0"]
    with pytest.raises(UnknownNameError, match="sesstore tokens"):
        store.tokens("pdb")
    with pytest.raises(UnknownNameError, match="sesstore add"):
        store.task("other")
    with pytest.raises(InputError, match="cannot name a task"):
        store.add_task(kit.task(filled.proteins, "a b"))


def test_means_are_no_encoder_of_residues(filled, kit):
    made = kit.provenance("means")
    made = replace(made, fingerprint=replace(made.fingerprint, reduction="mean"))
    with filled.store.writer(made, {}) as writer:
        writer.add(Embedding(filled.proteins[0].digest, np.zeros((1, 6), np.float16)))
    names = [p.fingerprint.encoder for p in filled.store.encoders()]
    assert names == ["enc_float16", "enc_int8", "means"]
    assert filled.store.residue_encoders() == filled.provenances


def test_what_is_being_made_or_was_left_is_taken_over(tmp_path):
    """Nothing but the store's own metadata, half-written; anything beside them is another's."""
    for name, others, refused in (
        ("a", [".zarr.json.0123456789ab"], False),
        ("b", [".zarr.json.0123456789ab", "notes.txt"], True),
        ("c", [".zarr.json"], True),
        ("d", [], False),
    ):
        (tmp_path / name).mkdir()
        for other in others:
            (tmp_path / name / other).write_bytes(b"x")
        if refused:
            with pytest.raises(StoreFormatError, match="holds other things than a store"):
                Store.create(tmp_path / name)
            assert sorted(os.listdir(tmp_path / name)) == sorted(others)
        else:
            made = Store.create(tmp_path / name)
            assert made.attributes.keys() == {"format", "kind", "made"}
            assert (made.attributes["format"], made.attributes["kind"]) == (1, "store")
            assert "date" in made.attributes["made"]
            embeddings = layout.read_group(tmp_path / name / "embeddings/zarr.json")
            assert embeddings == {"kind": "embeddings"}
    assert not module._is_something_else(tmp_path / "d")  # another has just made it
    first = Store.create(tmp_path / "d").attributes
    assert Store.create(tmp_path / "d").attributes == first
    assert Store.open(tmp_path / "d", create=True).attributes == first


def test_tokens_of_several_sources_are_counted_and_checked_batch_by_batch(tmp_path, kit):
    store, known = Store.create(tmp_path / "s"), kit.proteins(4)
    store.add_proteins(known)
    items = [kit.tokens(p, source) for source in ("a", "b", "a") for p in known]
    assert store.add_tokens(iter(items), {}) == 8
    assert store.sources() == ["a", "b"]
    grouped = list(module._by_source(iter(items), 3))
    assert [(source, len(batch)) for source, batch in grouped] == [
        ("a", 3), ("a", 1), ("b", 3), ("b", 1), ("a", 3), ("a", 1),
    ]  # fmt: skip
    assert [item for _, batch in grouped for item in batch] == items


def test_tokens_an_encoder_has_read_are_not_replaced(tmp_path, kit):
    """By those of the source it read, for proteins it embedded, where they would change."""
    store, (read, unread) = Store.create(tmp_path / "s"), kit.proteins(2)
    for source in ("pdb", "esmfold"):
        store.add_tokens([kit.tokens(read, source), kit.tokens(unread, source)], {})
    made = kit.provenance("saprot")
    made = replace(made, fingerprint=replace(made.fingerprint, structure="pdb"))
    with store.writer(made, {}) as writer:
        writer.add(kit.embedding(read, made))

    def other(protein, source):
        item = kit.tokens(protein, source, "b 2")
        return replace(item, plddt=np.full(len(item), 7, np.uint8))

    said = "tokens of 1 proteins from pdb would change, and saprot was run"
    with pytest.raises(InputError, match=said):
        store.add_tokens([other(read, "pdb"), other(unread, "pdb")], {}, replace=True)
    assert store.tokens("pdb").get(unread.digest).tool == "mini3di 0.2"
    assert store.add_tokens([other(read, "pdb")], {}) == 0
    assert store.add_tokens([kit.tokens(read, "pdb", "b 2")], {}, replace=True) == 0
    assert store.add_tokens([other(unread, "pdb")], {}, replace=True) == 1
    assert store.add_tokens([other(read, "esmfold")], {}, replace=True) == 1
    assert store.tokens("pdb").get(unread.digest).plddt.tolist() == [7] * len(unread)


def test_an_alphabet_is_declared_to_the_store_and_to_who_opens_it(filled):
    alphabet = Alphabet("turns", "ABC")
    filled.store.declare(alphabet)
    assert filled.store.alphabets() == {"turns": alphabet}
    assert Store.open(filled.store.path).alphabets() == {"turns": alphabet}
    with pytest.raises(InputError):
        filled.store.declare(Alphabet("turns", "ABCD"))
