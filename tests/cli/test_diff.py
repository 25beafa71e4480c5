"""``sesstore diff``: of stores, and of encoders."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sesstore_cli.diff import _say_stores

from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store
from sesstore.store.diff import EmbeddingsDifference, ProteinDifference, StoresDifference


def test_comparison_of_stores_and_of_encoders(cli, store: Path) -> None:
    shutil.copytree(store, "other")
    same = cli("diff", "store", "other", "--json")
    assert same.status == 0
    assert same.json["same"] is True
    cli("embed", "--plm", "onehot", "--store", "other")
    differ = cli("diff", "store", "other")
    assert differ.status == 1
    assert "only right" in differ.out
    encoders = cli("diff", "blosum62", "blosum62")
    assert encoders.status == 0
    assert "smallest cosine" in encoders.out
    unknown = cli("diff", "blosum62", "esm3")
    assert unknown.status == 1
    assert "only by" in unknown.err


def test_every_figure_of_a_difference_is_in_its_place(shown) -> None:
    proteins = [ProteinDifference("ab" * 32, 1234, 0.5, 0.125, 0.875)]
    proteins += [ProteinDifference(f"{n:064d}", 10, n / 100, 0.0, 1.0) for n in range(12)]
    difference = StoresDifference(
        (1111, 2222, 3333), {"ec": "different"}, {"pdb": "same"}, {"x": "both"},
        [EmbeddingsDifference("left", "right", 4444, 5555, proteins)],
    )  # fmt: skip
    lines = shown(_say_stores, difference)
    assert lines[:11] == [
        "what A against B",
        "sequences 1,111 only A, 2,222 only B, 3,333 in both",
        "tokens pdb same",
        "task ec different",
        "embeddings x both",
        "left right",
        "proteins in both 13",
        "only in A / only in B 4,444 / 5,555",
        "largest absolute difference 0.5",
        f"mean absolute difference {0.125 * 1234 / 1354:.3g}",
        "smallest cosine of a residue 0.875000",
    ]
    assert lines[11:14] == [
        "differ most (12 differ)",
        "protein residues largest mean cosine",
        "abababababab 1,234 0.5 0.125 0.875",
    ]
    assert [line.split()[2] for line in lines[14:]] == [f"{n / 100:.3g}" for n in range(11, 2, -1)]


ONE = ProteinDifference("a", 1, 1e-9, 0.0, 1.0)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"proteins": (1, 0, 9)}, False),
        ({"proteins": (0, 1, 9)}, False),
        ({"tasks": {"ec": "only left"}}, False),
        ({"tokens": {"pdb": "different"}}, False),
        ({"encoders": {"x": "only right"}}, False),
        ({"embeddings": [EmbeddingsDifference("x", "x", 1, 0)]}, False),
        ({"embeddings": [EmbeddingsDifference("x", "x", 0, 1)]}, False),
        ({"embeddings": [EmbeddingsDifference("x", "x", 0, 0)]}, True),
        ({"embeddings": [EmbeddingsDifference("x", "x", 0, 0, [ONE])]},
         False),
    ],
)  # fmt: skip
def test_stores_are_the_same_where_nothing_differs(change: dict[str, Any], same: bool) -> None:
    difference = StoresDifference((0, 0, 9), {"ec": "same"}, {"pdb": "same"}, {"x": "both"}, [])
    assert replace(difference, **change).same is same


def test_encoders_that_lack_proteins_differ(cli, store: Path, monkeypatch) -> None:
    for counts, status in (((0, 0), 0), ((1, 0), 1), ((0, 1), 1)):
        monkeypatch.setattr(
            "sesstore.store.diff.compare_embeddings",
            lambda *views, progress, counts=counts: EmbeddingsDifference("x", "x", *counts),
        )
        said = cli("diff", "blosum62", "blosum62")
        assert said.status == status
        assert said.out.splitlines()[-1] == ("they differ" if status else "the same")


def test_encoders_are_the_same_where_both_have_the_same_of_all(cli) -> None:
    proteins = [Protein(f"p{n}", "MKV" + "A" * n) for n in range(3)]
    store = Store.create(Path("store"))
    store.add_proteins(proteins)
    for name, count, last in (("all", 3, 1.0), ("some", 2, 1.0), ("other", 3, 1.5)):
        fingerprint = Fingerprint(name, "unknown", 6, "unknown", "unknown", "fp16", "npy")
        with store.writer(Provenance(fingerprint, 4), {}) as writer:
            for protein, value in zip(proteins[:count], (1.0, 1.0, last), strict=False):
                writer.add(Embedding(protein.digest, np.full((len(protein), 4), value, np.float16)))
    for left, right, only, largest in (
        ("all", "all", (0, 0), 0.0),
        ("all", "some", (1, 0), 0.0),
        ("some", "all", (0, 1), 0.0),
        ("all", "other", (0, 0), 0.5),
    ):
        same = not any(only) and not largest
        said = cli("diff", left, right, "--json")
        assert (said.status, said.json["same"]) == (0 if same else 1, same)
        assert (said.json["only_left"], said.json["only_right"]) == only
        assert said.json["largest"] == largest
