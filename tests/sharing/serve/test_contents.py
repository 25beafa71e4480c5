from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sesstore.errors import InputError, NotStoredError
from sesstore.provenance import circumstances
from sesstore.sharing.pull import merge
from sesstore.sharing.serve.contents import MOST_FOUND, contents, histogram, search, task_map
from sesstore.store import Store
from sesstore.tasks import Problem, Task


def test_search(shared, kit):
    (protein, *_) = kit.proteins(1)
    for query in ("s0p0", "other-name", protein.digest.hex(), protein.sequence.lower()):
        (found,) = search(shared, query)
        assert found["digest"] == protein.digest.hex()
        assert found["encoders"] == ["enc", "int"]
        assert found["sources"] == ["alphafold2"]
    assert search(shared, "s0p") == []
    assert search(shared, "MKV") == []
    assert search(shared, "a\0b") == []
    for wrong in ("", "  ", "M" * 60_000):
        with pytest.raises(InputError):
            search(shared, wrong)


def test_maps(shared, kit):
    made = task_map(shared, "toy", "int")
    assert len(made["points"]) == made["of"] == 20
    assert made["groups"] == ["a", "b"]
    assert all(-1 <= p["x"] <= 1 and -1 <= p["y"] <= 1 for p in made["points"])
    assert sum(made["histogram"]["counts"]) == 20
    with pytest.raises(NotStoredError):
        task_map(shared, "toy", "esm2")


def test_histograms_count_everything():
    rng = np.random.default_rng(0)
    for lengths in ([5], [5, 5, 5], rng.integers(1, 40_000, 1000), [1, 100_000]):
        made = histogram(np.asarray(lengths))
        assert sum(made["counts"]) == len(lengths)
        assert len(made["edges"]) == len(made["counts"]) + 1
    assert histogram(np.zeros(0, np.int64))["counts"] == []


def test_search_by_the_start_of_a_digest(shared, kit):
    digests = sorted(protein.digest.hex() for protein in kit.proteins(200))
    for digest in (digests[0], digests[77], digests[-1]):
        for length in (8, 9, 31, 64):
            (found,) = search(shared, digest[:length].upper())
            assert found["digest"] == digest
    assert search(shared, digests[3][:7]) == []
    assert search(shared, digests[3][:8][:-1] + "g") == []
    assert search(shared, "f" * 64) == []


def test_digests_with_one_start_are_all_found(shared, kit):
    digests = sorted(protein.digest for protein in kit.proteins(200))
    for start in ("", "0", "a3", "ff"):
        expected = [digest for digest in digests if digest.hex().startswith(start)]
        assert shared.find_digests(start, 300) == expected
        assert shared.find_digests(start, 2) == expected[:2]
    assert MOST_FOUND < 200


def test_how_somebody_works_is_not_shown(kit, tmp_path):
    """Command lines and paths of those who made it."""
    made = {**circumstances(), "command": "sesstore embed --token s3cret /home/me"}
    store = Store.create(tmp_path / "private-store")
    proteins, provenance = kit.proteins(3), kit.provenance()
    store.add_proteins(proteins)
    store.add_tokens(map(kit.tokens, proteins), made)
    with store.writer(provenance, made) as writer:
        for protein in proteins[:2]:
            writer.add(kit.embedding(protein, provenance))
    other = Store.create(tmp_path / "other")
    merge(other, store)
    for one in (store, other):
        said = json.dumps(contents(one))
        assert "s3cret" not in said
        assert str(tmp_path) not in said
        assert "versions" in said


def test_coverage_is_of_all_rows_of_a_task(kit, tmp_path):
    """Of each split, by each encoder and source."""
    proteins, made = kit.proteins(10), kit.provenance()
    store = Store.create(tmp_path / "store")
    store.add_proteins(proteins)
    with store.writer(made, {}) as writer:
        for protein in proteins[:4]:
            writer.add(kit.embedding(protein, made))
    store.add_tokens(map(kit.tokens, proteins[2:9]), {})
    train, test = (kit.task(rows).splits["train"] for rows in (proteins[:2], proteins[2:]))
    store.add_task(replace(kit.task(proteins[:2]), splits={"train": train, "test": test}))
    (task,) = contents(store)["tasks"]
    assert task["proteins"] == 10
    assert task["coverage"]["encoders"] == {made.fingerprint.short: 0.4}
    assert task["coverage"]["sources"] == {"alphafold2": 0.7}


def test_the_median_is_not_the_mean():
    made = histogram(np.array([1, 2, 30]))
    assert (made["median"], made["longest"]) == (2, 30)


def test_thirds_of_values_are_named_by_their_bounds(kit, tmp_path):
    proteins = kit.proteins(9)
    store = kit.fill(tmp_path / "store", proteins, (kit.provenance(),))
    rows = replace(kit.task(proteins).splits["train"], labels=[float(i) for i in range(9)])
    made = Task("heat", Problem.REGRESSION, ("t50",), {"train": rows}, ("rmse",), "rmse")
    store.add_task(made)
    drawn = task_map(store, "heat")
    assert drawn["groups"] == ["t50 below 2.67", "t50 between", "t50 above 5.33"]
    groups = {point["id"]: point["group"] for point in drawn["points"]}
    assert [groups[p.id] for p in proteins] == [0] * 3 + [1] * 3 + [2] * 3
