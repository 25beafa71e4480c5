"""A store's proteins by other names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.store import protein_table as module
from sesstore.store.protein_names import ProteinNames

KNOWN = [
    Protein("sp|P12345|ABC_HUMAN", "MKVA"),
    Protein("1aki_A", "MKVC"),
    Protein("x" * 500, "MKVD"),
    Protein("same", "MKVE"),
    Protein("same", "MKVF"),
]


def store_of(folder: Path, proteins: list[Protein]) -> Store:
    folder.mkdir(exist_ok=True)
    store = Store.create(folder / "s")
    store.add_proteins(proteins)
    return store


def test_every_id_is_listed_with_all_its_sequences(tmp_path: Path) -> None:
    many = [
        *KNOWN,
        *(Protein(f"p{i}", f"{'M' * (i // 100)}K{'A' * (i % 100)}") for i in range(9000)),
    ]
    store = store_of(tmp_path, many)
    pairs = list(store.names())
    assert len(pairs) == len(many)
    assert sorted(pairs)[-1][0] == "x" * 368  # what is left of an id longer than a key
    assert {d for name, d in pairs if name == "same"} == {p.digest for p in KNOWN[3:]}


@pytest.mark.parametrize("portion", [1, 2, 3, 4])
def test_ids_are_read_in_portions_with_all_their_sequences(tmp_path, monkeypatch, portion) -> None:
    monkeypatch.setattr(module, "_BATCH", portion)
    many = [Protein(name, "MKV" + "A" * i) for i, name in enumerate("abbbbccd")]
    store = store_of(tmp_path, many)
    assert sorted(store.names()) == sorted((p.id, p.digest) for p in many)


def test_proteins_are_found_by_rule(tmp_path: Path) -> None:
    names = ProteinNames(store_of(tmp_path, KNOWN))
    assert names.find(["AF-P12345-F1-model_v4"]) == KNOWN[0]
    assert names.find(["1AKI.A"]) == KNOWN[1]
    assert names.find(["x" * 500]) == KNOWN[2]
    assert names.find(["same"]) is None
    assert names.find(["P1234"]) is None
    assert "same, same" in names.reason(["same"])
    assert "1aki_A" in names.reason(["1aki_B"])


def test_what_is_given_comes_first(tmp_path: Path) -> None:
    given = Protein("P12345", "MKVW")
    names = ProteinNames(store_of(tmp_path, KNOWN), [given])
    assert names.find(["sp|P12345|ABC_HUMAN"]) == given
    assert names.find(["1aki_A"]) == KNOWN[1]
    assert names.example() == "P12345"
    assert ProteinNames(store_of(tmp_path / "b", KNOWN[:1])).example() == KNOWN[0].id
    (tmp_path / "c").mkdir()
    assert ProteinNames(Store.create(tmp_path / "c" / "s")).example() == ""


@pytest.mark.parametrize("own", [True, False])
def test_rules_are_those_asked_for_in_what_is_given_and_in_the_store(tmp_path, own) -> None:
    given = KNOWN[:2] if own else []
    names = ProteinNames(store_of(tmp_path, [] if own else KNOWN[:2]), given)
    assert names.find(["1AKI_a"]) == KNOWN[1]
    assert names.find(["1AKI_a"], fold=False) is None
    assert names.find(["1aki"]) is None
    assert names.find(["1aki"], any_chain=True) == KNOWN[1]
    assert names.reason(["1aki_B"]).endswith("chain: 1aki_A")
    assert names.reason(["nobody"]) == "no known protein has this name"


def test_the_best_name_counts_and_several_fitting_is_none(tmp_path: Path) -> None:
    """As it stands before by rule; what fits several of those given is not asked of the store."""
    names = ProteinNames(store_of(tmp_path, KNOWN), [Protein("twice", "WW"), Protein("twice", "W")])
    assert names.find(["none", "1aki_A"]) == KNOWN[1]
    assert names.find(["1aki_A", "sp|P12345|ABC_HUMAN"]) == KNOWN[1]
    assert names.find(["sp|P12345|ABC_HUMAN", "1aki_A"]) == KNOWN[0]
    assert names.find(["twice", "1aki_A"]) is None
    assert names.reason(["twice"]) == "fits several known proteins: twice, twice"
    again = Protein("mine", KNOWN[0].sequence)
    by_both = ProteinNames(store_of(tmp_path / "b", KNOWN), [again])
    assert by_both.find([KNOWN[0].id]) == again  # under the name it was given with


def test_the_empty_id_is_listed_as_it_is(tmp_path: Path) -> None:
    store = store_of(tmp_path, [Protein("", "MKV")])
    assert list(store.names()) == [("", Protein("", "MKV").digest)]
    assert ProteinNames(store).example() == ""
