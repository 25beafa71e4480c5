"""Lists of proteins, and what a store knows of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.errors import InputError, NotStoredError
from sesstore.exchange.selection import (
    as_digest,
    check_ids,
    listed_proteins,
    read_ids,
    select_proteins,
)
from sesstore.jobs.embedding.embed import embed
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task

A, B, C = Protein("a", "MKVLA"), Protein("b", "MKVLC"), Protein("c", "MKVLD")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "store")
    store.add_proteins([A, B, C, Protein("b", "MKVLE")])
    embed(store, registry.load("onehot"), [A, B])
    return store


def test_a_list_has_an_id_a_line(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("# wanted\nb  a remark\n\na\nb\n")
    assert read_ids(path) == ["b", "a"]
    path.write_text("# none\n\n")
    with pytest.raises(InputError, match="names no protein"):
        read_ids(path)
    fasta = tmp_path / "ids.fasta"
    fasta.write_text(">other\nMKVLA\n")
    assert read_ids(fasta) == [A.digest.hex()]


def test_ids_keep_their_order_and_stand_for_all_their_sequences(store: Store) -> None:
    listed = listed_proteins(store, ["c", "b", A.digest.hex()])
    assert [(p.id, p.sequence) for p in listed[:1] + listed[3:]] == [
        ("c", "MKVLD"), ("a", "MKVLA"),
    ]  # fmt: skip
    assert {p.sequence for p in listed[1:3]} == {"MKVLC", "MKVLE"}
    assert as_digest("a" * 64) == bytes.fromhex("a" * 64)
    assert as_digest("a" * 62) is None
    assert as_digest("x" * 64) is None
    with pytest.raises(NotStoredError, match="x1, x2, x3, x4, x5 and 1 more"):
        listed_proteins(store, ["a", *(f"x{n}" for n in range(1, 7))])


def test_what_lacks_an_embedding_is_counted(store: Store, tmp_path: Path) -> None:
    view = store.embeddings()
    assert {p.id for p in select_proteins(store, view)} == {"a", "b"}
    path = tmp_path / "ids.txt"
    path.write_text("a\n")
    assert [p.id for p in select_proteins(store, view, ids=path)] == ["a"]
    path.write_text("a\nc\n")
    with pytest.raises(NotStoredError, match="1 of 2 proteins have no embedding"):
        select_proteins(store, view, ids=path)


def test_proteins_of_a_task_are_each_once(store: Store) -> None:
    def split(*proteins: Protein) -> Split:
        digests = np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)
        return Split(tuple(f"row {p.id}" for p in proteins), digests, [0] * len(proteins))

    splits = {"train": split(A, B, A), "test": split(B)}
    store.add_task(Task("t", Problem.SINGLE_LABEL, ("x", "y"), splits, ("mcc",), "mcc"))
    view = store.embeddings()
    chosen = select_proteins(store, view, task="t")
    assert sorted((p.id, p.sequence) for p in chosen) == [("a", "MKVLA"), ("b", "MKVLC")]
    more = {"train": split(A), "test": split(B, C)}
    store.add_task(Task("u", Problem.SINGLE_LABEL, ("x", "y"), more, ("mcc",), "mcc"))
    with pytest.raises(NotStoredError, match=r"1 of 3 proteins have no embedding by onehot"):
        select_proteins(store, view, task="u")


def test_a_name_by_rule_keeps_what_it_was_asked_by(store: Store) -> None:
    store.add_proteins([Protein("sp|P69905|HBA_HUMAN", "MKVLF")])
    (found,) = listed_proteins(store, ["P69905"])
    assert (found.id, found.sequence) == ("P69905", "MKVLF")
    (exact,) = listed_proteins(store, [A.digest.hex().upper()])
    assert exact == A
    with pytest.raises(NotStoredError, match=r"no protein called x \(no known protein has this"):
        listed_proteins(store, ["x"])
    assert listed_proteins(store, []) == []


def test_an_id_of_two_sequences_is_refused() -> None:
    check_ids([A, B, A])
    with pytest.raises(InputError, match="'a' stands for two"):
        check_ids([A, Protein("a", "MKVLC")])
