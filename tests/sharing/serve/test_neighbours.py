from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from sesstore.encoders import registry
from sesstore.errors import InputError, NotStoredError
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.means import MeanEncoder
from sesstore.proteins import Protein
from sesstore.sharing.serve.neighbours import neighbours
from sesstore.sharing.serve.server import StoreServer, application
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task


@pytest.fixture
def store(tmp_path: Path) -> Store:
    rng, letters = np.random.default_rng(3), list("ACDEFGHIKLMNPQRSTVWY")
    proteins = [Protein(f"p{i}", "".join(rng.choice(letters, 30))) for i in range(20)]
    store = Store.create(tmp_path / "lab")
    store.add_proteins(proteins)
    digests = np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)
    splits = {
        "train": Split(tuple(p.id for p in proteins[:12]), digests[:12], [0, 1] * 6),
        "valid": Split(tuple(p.id for p in proteins[12:]), digests[12:], [0, 1] * 4),
    }
    toy = Task("toy", Problem.SINGLE_LABEL, ("no", "yes"), splits, ("accuracy",), "mcc")
    store.add_task(toy)
    few = {"train": Split(splits["train"].ids[:4], digests[:4], [0, 1, 0, 1])}
    store.add_task(replace(toy, name="few", splits=few))
    return store


def test_over_http_as_json(store: Store) -> None:
    with pytest.raises(NotStoredError, match="--reduce mean"):
        neighbours(store, "p3")
    embed(store, MeanEncoder(registry.load("onehot")))
    with StoreServer([store]) as server:
        client = TestClient(application(server))
        answer = client.get("/lab/neighbours?q=p3&count=2&in=toy&transfer=toy")
        assert answer.status_code == 200
        (query,) = answer.json()["queries"]
        assert query["id"] == query["hits"][0]["id"] == "p3"
        assert len(query["hits"]) == 2
        assert query["label"] in ("no", "yes")
        assert 0 <= query["worth"] <= 1
        for wrong, status in (
            ("q=", 400),
            ("q=p3&count=none", 400),
            ("q=p3&count=0", 400),
            ("q=p3&count=101", 400),
            ("q=nobody", 404),
            ("q=p3&in=tyo", 404),
            ("q=p3&plm=esm2", 404),
        ):
            answer = client.get(f"/lab/neighbours?{wrong}")
            assert answer.status_code == status, answer.text
            assert answer.json()["error"]


def test_among_some_proteins_and_by_one_of_two_encoders(store: Store) -> None:
    embed(store, MeanEncoder(registry.load("onehot")))
    everywhere = neighbours(store, "p3", count=100)
    assert (everywhere["encoder"], everywhere["searched"]) == ("onehot", 20)
    assert len(everywhere["queries"][0]["hits"]) == 20
    among = neighbours(store, "p3", count=100, task="few")
    assert among["searched"] == 4
    assert {hit["id"] for hit in among["queries"][0]["hits"]} == {f"p{i}" for i in range(4)}
    embed(store, MeanEncoder(registry.load("blosum62")))
    with pytest.raises(InputError, match="which encoder"):
        neighbours(store, "p3")
    assert neighbours(store, "p3", encoder="blosum62")["encoder"] == "BLOSUM62"


def test_each_of_several_queries_has_its_own_answer(store: Store) -> None:
    """One id of two proteins: hits and labels are those of each alone, in their order."""
    rng, letters = np.random.default_rng(8), list("DEKRWWWW")
    twins = [Protein("twin", "".join(rng.choice(letters, 25 + i))) for i in range(4)]
    store.add_proteins(twins)
    without_mean = Protein("twin", "MKV")
    embed(store, MeanEncoder(registry.load("onehot")))
    store.add_proteins([without_mean])
    answer = neighbours(store, "twin", count=3, transfer="toy")
    assert answer["searched"] == 24
    assert [query["length"] for query in answer["queries"]] == [
        len(store.protein(digest)) for digest in store.find_id("twin") if digest in means_of(store)
    ]
    assert len({tuple(hit["digest"] for hit in q["hits"]) for q in answer["queries"]}) == 4
    for query in answer["queries"]:
        (protein,) = (p for p in twins if len(p) == query["length"])
        alone = neighbours(store, protein.sequence, count=3, transfer="toy")
        assert alone["queries"] == [{**query, "id": alone["queries"][0]["id"]}]
        assert query["hits"][0]["digest"] == protein.digest.hex()


def means_of(store: Store):
    return store.embeddings(store.encoders()[0].fingerprint)
