"""Shares of amino acids, one row a digest, in the order asked for."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import AMINO_ACIDS
from sesstore.errors import NotStoredError
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.streaming.composition import LETTERS, StoredCompositions, composition


def test_shares_are_of_all_letters() -> None:
    shares = composition("MKVM")
    assert shares.shape == (LETTERS,)
    expected = np.zeros(LETTERS, np.float32)
    for letter in "MKVM":
        expected[AMINO_ACIDS.encode(letter)[0]] += 0.25
    np.testing.assert_array_equal(shares.numpy(), expected)


def test_each_digest_has_its_own_also_in_another_process(tmp_path: Path) -> None:
    proteins = [Protein(str(n), text) for n, text in enumerate(("MKV", "AAAC", "WH"))]
    store = Store.create(tmp_path / "store")
    store.add_proteins(proteins)
    order = [2, 0, 2, 1]
    digests = np.frombuffer(b"".join(proteins[n].digest for n in order), np.uint8).reshape(-1, 32)
    for stored in (
        StoredCompositions(store),
        pickle.loads(pickle.dumps(StoredCompositions(store))),
    ):
        for row, number in zip(stored(digests), order, strict=True):
            assert row.tolist() == composition(proteins[number].sequence).tolist()
    with pytest.raises(NotStoredError):
        stored(digests ^ 1)


def test_a_store_that_was_named_from_where_one_stood_is_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.create(tmp_path / "store").add_proteins([Protein("p", "MKV")])
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(StoredCompositions(Store.open("store")))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    digests = np.frombuffer(Protein("p", "MKV").digest, np.uint8).reshape(1, 32)
    assert pickle.loads(sent)(digests).tolist() == [composition("MKV").tolist()]
