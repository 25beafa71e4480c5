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
from sesstore.tasks import Problem, Split, Task


def test_search(shared, kit):
    (protein, *_) = kit.proteins(1)
    digest = protein.digest.hex()
    for query, name in (
        ("s0p0", "s0p0"),
        (" other-name ", "other-name"),
        (digest, "s0p0"),
        (protein.sequence.lower(), "s0p0"),
    ):
        (found,) = search(shared, query)
        assert (found["id"], found["digest"], found["length"]) == (name, digest, len(protein))
        assert found["sequence"] == protein.sequence
        assert found["encoders"] == ["enc", "int"]
        assert found["sources"] == ["alphafold2"]
    assert search(shared, "s0p") == []
    assert search(shared, "MKV") == []
    assert search(shared, "a\0b") == []
    assert search(shared, "M" * 50_000) == []
    for wrong in ("", "  ", "M" * 50_001):
        with pytest.raises(InputError):
            search(shared, wrong)


def test_maps(shared, kit):
    made = task_map(shared, "toy", "int")
    assert len(made["points"]) == made["of"] == 20
    assert made["groups"] == ["a", "b"]
    split, view = shared.task("toy").splits["train"], shared.embeddings("int")
    assert [p["id"] for p in made["points"]] == list(split.ids)
    assert [p["group"] for p in made["points"]] == split.labels
    means = np.stack([view.get(d.tobytes()).astype(np.float64).mean(0) for d in split.digests])
    u, s, _ = np.linalg.svd(means - means.mean(0), full_matrices=False)
    places = np.array([(p["x"], p["y"]) for p in made["points"]])
    assert np.abs(places).max() == 1
    expected = u[:, :2] * s[:2]
    np.testing.assert_allclose(np.abs(places), np.abs(expected) / np.abs(expected).max(), atol=2e-3)
    np.testing.assert_allclose(made["variance"], (s**2 / (s**2).sum())[:2], atol=2e-3)
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
    assert histogram(np.array([5]))["counts"] == [0, 0, 0, 0, 0, 1]
    made = histogram(np.arange(1, 101))  # 32 bins of at least 3.1 residues: 4, up to the last one
    assert made["edges"] == list(range(0, 101, 4))
    assert made["counts"] == [3] + [4] * 23 + [5]
    assert histogram(np.append(np.arange(1, 101), 9999))["counts"][-1] == 6


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


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """A store of 45 embedded proteins, for tasks of all kinds."""
    from ..conftest import fill, make_proteins, provenance

    return fill(tmp_path_factory.mktemp("mapped") / "store", make_proteins(45), (provenance(),))


def grouped(store, problem, classes, labels):
    """The group of each protein on the map of a task, by name, and all groups."""
    proteins = list(store.proteins())[: len(labels)]
    digests = np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)
    split = Split(tuple(f"r{i}" for i in range(len(proteins))), digests, labels)
    name = f"t{len(store.tasks())}"
    store.add_task(Task(name, problem, classes, {"train": split}, ("mcc",), "mcc"))
    drawn = task_map(store, name)
    groups = {point["id"]: drawn["groups"][point["group"]] for point in drawn["points"]}
    return [groups[row] for row in split.ids], drawn["groups"]


def test_thirds_of_values_are_named_by_their_bounds(mapped):
    names = ["t50 below 2", "t50 between", "t50 above 4"]
    labels = [float(i) for i in range(7)]
    groups, listed = grouped(mapped, Problem.REGRESSION, ("t50",), labels)
    assert listed == names
    assert groups == [names[0]] * 3 + [names[1]] * 2 + [names[2]] * 2


@pytest.mark.parametrize("count", [8, 9])
def test_rare_classes_are_one_group(mapped, count):
    """Where there are more than colours for them: the seven that most proteins have stay."""
    labels = [k for k in range(count) for _ in range(count - k)]
    classes = tuple(f"c{k}" for k in range(count))
    groups, listed = grouped(mapped, Problem.SINGLE_LABEL, classes, labels)
    stay = [f"c{k}" for k in range(8 if count == 8 else 7)]
    assert listed == stay + ["others"] * (count > 8)
    assert groups == [f"c{k}" if f"c{k}" in stay else "others" for k in labels]


def test_groups_of_several_labels_and_of_residues(mapped):
    labels = [[1, 0], [], [0], [1]]
    groups, _ = grouped(mapped, Problem.MULTI_LABEL, ("x", "y"), labels)
    assert groups == ["y", "none", "x", "y"]
    lengths = [len(p) for p in mapped.proteins()][:10]
    groups, listed = grouped(
        mapped, Problem.RESIDUE_SINGLE_LABEL, ("H", "E"), [[0] * n for n in lengths]
    )
    low, high = np.quantile(lengths, [1 / 3, 2 / 3])
    assert listed == [f"length below {low:.3g}", "length between", f"length above {high:.3g}"]
    assert groups == [listed[int(n > low) + int(n > high)] for n in lengths]


def test_of_a_large_task_a_sample_is_drawn(shared, monkeypatch):
    monkeypatch.setattr("sesstore.sharing.serve.contents.MOST_POINTS", 7)
    drawn = task_map(shared, "toy", "enc")
    assert (len(drawn["points"]), drawn["of"]) == (7, 20)
    split = shared.task("toy").splits["train"]
    labels = dict(zip(split.ids, split.labels, strict=True))
    assert [labels[p["id"]] for p in drawn["points"]] == [p["group"] for p in drawn["points"]]


def test_an_id_of_many_proteins_shows_some(kit, tmp_path):
    store = Store.create(tmp_path / "store")
    store.add_proteins([replace(protein, id="same") for protein in kit.proteins(MOST_FOUND + 3)])
    assert len(search(store, "same")) == MOST_FOUND == 20


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("embeddings/enc-*/zarr.json", "encoder"),
        ("embeddings/enc-*/2*/digests/c.0.0", "encoder"),
        ("tasks/toy.jsonl", "task"),
        ("tokens/alphafold2.lmdb", "source"),
    ],
)
def test_what_is_damaged_is_left_out_and_counted_once(shared, pattern, what):
    path = sorted(shared.path.glob(pattern))[0]
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(len(raw)) if what == "source" else raw)
    said = contents(Store.open(shared.path))
    encoders = ["int"] if what == "encoder" else ["enc", "int"]
    sources = [] if what == "source" else ["alphafold2"]
    assert [encoder["encoder"] for encoder in said["encoders"]] == encoders
    assert [source["source"] for source in said["sources"]] == sources
    assert [task["name"] for task in said["tasks"]] == ([] if what == "task" else ["toy"])
    for task in said["tasks"]:
        assert len(task["coverage"]["encoders"]) == len(encoders)
        assert list(task["coverage"]["sources"]) == sources
    assert said["damaged"] == 1
    assert (said["proteins"], sum(said["histogram"]["counts"])) == (200, 200)
    (row,) = search(Store.open(shared.path), "s0p0")
    assert (row["encoders"], row["sources"]) == (encoders, sources)
