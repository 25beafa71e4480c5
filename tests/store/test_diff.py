from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.residues import Embedding
from sesstore.store import Store
from sesstore.store.card import write_card
from sesstore.store.diff import (
    EmbeddingsDifference,
    ProteinDifference,
    StoresDifference,
    compare_embeddings,
    compare_stores,
)


def test_equal_stores_are_equal(filled, tmp_path, kit):
    other = kit.fill(tmp_path / "other")
    found = compare_stores(filled.store, other.store)
    assert found.same
    assert found.tokens == {"alphafold2": "same"}
    assert found.tasks == {"toy": "same"}
    assert json.dumps(found.to_json())


def test_differences_are_named(filled, tmp_path, kit):
    other = kit.fill(tmp_path / "other", count=25, dtypes=("float16",))
    other.store.add_tokens([kit.tokens(p, "pdb") for p in other.proteins[:2]], {})
    found = compare_stores(filled.store, other.store)
    assert not found.same
    assert found.proteins == (len(filled.proteins) - 25, 0, 25)
    assert found.tokens == {"alphafold2": "different", "pdb": "only right"}
    assert found.tasks == {"toy": "different"}
    assert sorted(found.encoders.values()) == ["both", "only left"]
    (embeddings,) = found.embeddings
    assert (embeddings.only_left, embeddings.only_right) == (5, 0)
    assert embeddings.largest == 0


def difference(left: int = 0, right: int = 0, largest: float = 0.0) -> EmbeddingsDifference:
    protein = ProteinDifference("ab", 5, largest, largest / 2, 1.0)
    return EmbeddingsDifference("a", "b", left, right, [protein])


@pytest.mark.parametrize(
    "change",
    [
        {"proteins": (1, 0, 3)},
        {"proteins": (0, 1, 3)},
        {"tasks": {"toy": "different"}},
        {"tasks": {"toy": "only right"}},
        {"tokens": {"pdb": "only left"}},
        {"encoders": {"e": "only right"}},
        {"embeddings": [difference(), difference(left=1)]},
        {"embeddings": [difference(), difference(right=1)]},
        {"embeddings": [difference(), difference(largest=0.5)]},
    ],
)
def test_any_difference_is_one(change: dict) -> None:
    same = StoresDifference((0, 0, 3), {"toy": "same"}, {"pdb": "same"}, {"e": "both"},
                            [difference()])  # fmt: skip
    assert same.same
    assert not replace(same, **change).same


def test_figures_of_two_encoders(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    protein = kit.proteins(1)[0]
    views = []
    for layer, values in ((1, [[3, 4], [0, 0]]), (2, [[4, 3], [0, 1]])):
        made = kit.provenance(dim=2, layer=layer)
        with store.writer(made, {}) as writer:
            writer.add(Embedding(protein.digest, np.asarray(values, np.float16)))
        views.append(store.embeddings(made.fingerprint))
    found = compare_embeddings(*views)
    (one,) = found.proteins
    assert (one.largest, one.mean) == (1.0, 0.75)
    assert one.cosine == pytest.approx(24 / 25)
    assert found.to_json()["common"] == 1


def test_widths_must_agree(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    for dim in (2, 3):
        made = kit.provenance(f"e{dim}", dim=dim)
        with store.writer(made, {}) as writer:
            writer.add(kit.embedding(kit.proteins(1)[0], made))
    with pytest.raises(InputError, match="different width"):
        compare_embeddings(store.embeddings("e2"), store.embeddings("e3"))


def test_the_card_says_what_is_inside(filled, monkeypatch):
    text = write_card(filled.store, title="Our store").read_text()
    for word in ("# Our store", "enc_int8", "MIT", "Someone 2024", "C 2020", "alphafold2", "toy"):
        assert word in text
    monkeypatch.chdir(filled.store.path)
    assert write_card(Store.open(".")).read_text().startswith("# store\n")
    assert (filled.store.path / "README.md").read_text().startswith("# store\n")


def test_the_cards_python_runs(filled, monkeypatch):
    text = write_card(filled.store).read_text()
    code = text.split("```python")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(code.replace("PATH_OF_THIS_FOLDER", str(filled.store.path)), names)
    assert names["values"].ndim == 2


@pytest.mark.parametrize("change", ["code", "confidence", "no confidence", "alphabet"])
def test_tokens_of_the_same_proteins_differ_in_any_part(tmp_path, kit, change):
    proteins, stores = kit.proteins(3), []
    for name in ("left", "right"):
        items = [kit.tokens(p) for p in proteins]
        if name == "right":
            last = items[-1]
            codes, plddt = {n: c.copy() for n, c in last.codes.items()}, last.plddt.copy()
            if change == "code":
                codes["dssp"][1, -1] = (codes["dssp"][1, -1] + 1) % 8
            elif change == "alphabet":
                del codes["foldseek"]
            else:
                plddt[-1] ^= 1
            plddt = None if change == "no confidence" else plddt
            items[-1] = replace(last, codes=codes, plddt=plddt)
        stores.append(Store.create(tmp_path / name))
        stores[-1].add_tokens(items, {})
    assert compare_stores(*stores).tokens == {"alphafold2": "different"}
    assert compare_stores(stores[0], stores[0]).tokens == {"alphafold2": "same"}


def test_figures_of_all_proteins():
    proteins = [
        ProteinDifference("ab", 30, 0.5, 0.25, 0.75), ProteinDifference("cd", 10, 0.75, 0.125, 1.0)
    ]  # fmt: skip
    found = EmbeddingsDifference("a", "b", 0, 0, proteins)
    assert (found.largest, found.cosine) == (0.75, 0.75)
    assert found.mean == pytest.approx((30 * 0.25 + 10 * 0.125) / 40)  # each residue counts alike


def test_each_side_is_told_from_the_other(tmp_path, kit):
    """Everything, in both directions: which side, how many, and how far apart."""
    known, made, extra = kit.proteins(7), kit.provenance(), kit.provenance("extra")
    left, right = (Store.create(tmp_path / name) for name in ("left", "right"))
    left.add_proteins(known[:4])
    right.add_proteins(known[1:7])
    left.add_tokens(map(kit.tokens, known[:2]), {})
    left.add_task(kit.task(known, "here"))
    right.add_task(kit.task(known, "there"))
    for store, some, offset in ((left, known[:4], 0.0), (right, known[1:7], 0.5)):
        with store.writer(made, {}) as writer:
            for protein in some:
                values = np.full((len(protein), made.dim), 1 + offset, np.float16)
                writer.add(Embedding(protein.digest, values))
    with right.writer(extra, {}) as writer:
        writer.add(kit.embedding(known[0], extra))
    bars: list[tuple[object, ...]] = []

    @contextmanager
    def stage(*call):
        bars.append(call)
        yield SimpleNamespace(advance=lambda amount=1: bars.append((amount,)))

    found = compare_stores(left, right, progress=SimpleNamespace(stage=stage))
    assert bars == [("comparing", 3, "proteins"), (1,), (1,), (1,)]
    assert found.proteins == (1, 3, 3)
    assert found.tasks == {"here": "only left", "there": "only right"}
    assert found.tokens == {"alphafold2": "only left"}
    folder = left.encoder_folder("enc").name
    assert found.encoders == {folder: "both", right.encoder_folder("extra").name: "only right"}
    (embeddings,) = found.embeddings
    assert embeddings.left == embeddings.right == f"enc {made.fingerprint.short}"
    assert (embeddings.only_left, embeddings.only_right) == (1, 3)
    assert [p.digest for p in embeddings.proteins] == [p.digest.hex() for p in known[1:4]]
    assert [p.residues for p in embeddings.proteins] == [len(p) for p in known[1:4]]
    assert (embeddings.largest, embeddings.mean) == (0.5, 0.5)
    assert embeddings.cosine == pytest.approx(1)
    plain = found.to_json()
    assert plain["same"] is False
    assert plain["embeddings"][0]["largest"] == 0.5
    back = compare_stores(right, left)
    assert back.proteins == (3, 1, 3)
    assert back.tasks == {"here": "only right", "there": "only left"}
    assert back.tokens == {"alphafold2": "only right"}
    assert set(back.encoders.values()) == {"both", "only left"}
    assert (back.embeddings[0].only_left, back.embeddings[0].only_right) == (3, 1)


def test_embeddings_of_other_lengths_are_an_error_that_names_the_protein(tmp_path, kit):
    made, views = kit.provenance(), []
    for name, length in (("left", 4), ("right", 5)):
        store = Store.create(tmp_path / name)
        with store.writer(made, {}) as writer:
            writer.add(Embedding(bytes(range(32)), np.ones((length, made.dim), np.float16)))
        views.append(store.embeddings())
    with pytest.raises(InputError, match=r"^000102030405 has 4 residues in one and 5 in the other"):
        compare_embeddings(*views)


def test_nothing_in_common_is_no_difference_of_numbers():
    nothing = EmbeddingsDifference("a", "b", 1, 2)
    assert (nothing.largest, nothing.mean, nothing.cosine) == (0.0, 0.0, 1.0)
    assert nothing.to_json()["common"] == 0
