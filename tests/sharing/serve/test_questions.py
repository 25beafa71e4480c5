"""Questions to a server: each parameter arrives, and answers are kept for a state of the store."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from sesstore.errors import InputError, MissingFileError, NotStoredError
from sesstore.residues import Embedding
from sesstore.sharing import share_paths
from sesstore.sharing.serve import server
from sesstore.sharing.serve.contents import contents, search, task_map
from sesstore.sharing.serve.neighbours import neighbours
from sesstore.sharing.serve.server import StoreServer, application
from sesstore.store import Store


@pytest.fixture
def store(kit, tmp_path: Path) -> Store:
    """Twelve proteins, nine of them embedded by two encoders, with means; a task of two splits."""
    store, proteins = Store.create(tmp_path / "lab"), kit.proteins(12)
    store.add_proteins(proteins)
    rng = np.random.default_rng(5)
    for name, dim in (("enc", 4), ("other", 5)):
        made = kit.provenance(name, dim=dim)
        with store.writer(made, {"command": "secret"}) as writer:
            for protein in proteins[:9]:
                writer.add(kit.embedding(protein, made))
        means = replace(made, fingerprint=made.fingerprint.of_means)
        with store.writer(means, {}) as writer:
            for protein in proteins[:9]:
                values = rng.standard_normal((1, dim)).astype(np.float16)
                writer.add(Embedding(protein.digest, values))
    store.add_tokens([kit.tokens(protein, "pdb") for protein in proteins[:6]], {"path": "/home/me"})
    train, test = (kit.task(rows).splits["train"] for rows in (proteins[:8], proteins[6:11]))
    store.add_task(replace(kit.task(proteins[:8]), splits={"train": train, "test": test}))
    store.add_task(kit.task(proteins[9:], "far"))
    return store


def test_a_name_that_begins_another_digest_is_the_name_of_its_own(kit, tmp_path):
    first, second = kit.proteins(2)
    store = Store.create(tmp_path / "store")
    name = first.digest.hex()[:8]
    store.add_proteins([first, replace(second, id=name)])
    assert [(row["id"], row["digest"]) for row in search(store, name)] == [
        (name, second.digest.hex()),
        (first.id, first.digest.hex()),
    ]


def test_who_has_what_is_said_for_each(store, kit):
    proteins = kit.proteins(12)
    rows = [search(store, f"s0p{i}")[0] for i in (0, 7, 10)]
    titles = [provenance.fingerprint.title for provenance in store.encoders()]
    assert sorted(rows[0]["encoders"]) == sorted(rows[1]["encoders"]) == sorted(titles)
    assert rows[2]["encoders"] == []
    assert [row["sources"] for row in rows] == [["pdb"], [], []]
    spaced = " \n".join(re.findall("..?", proteins[3].sequence.lower()))
    assert search(store, f" {spaced}\n")[0]["digest"] == proteins[3].digest.hex()
    assert search(store, "M" * 7 + "?") == []


def test_a_map_has_each_embedded_protein_once(store, kit):
    drawn = task_map(store, "toy", "enc")
    assert [(p["id"], p["split"]) for p in drawn["points"]] == [
        *((f"s0p{i}", "train") for i in range(8)),
        ("s0p8", "test"),
    ]
    assert (drawn["task"], drawn["encoder"], drawn["of"]) == ("toy", "enc", 9)
    assert sum(drawn["histogram"]["counts"]) == 11  # all of its proteins, embedded or not
    assert drawn["histogram"]["longest"] == max(map(len, kit.proteins(11)))
    assert drawn["groups"] == ["a", "b"]
    empty = task_map(store, "far", "enc")
    assert (empty["points"], empty["groups"], empty["of"]) == ([], [], 0)
    assert sum(empty["histogram"]["counts"]) == 3
    assert task_map(store, "toy", "other")["points"] != drawn["points"]
    assert task_map(store, "toy", "enc") == drawn


def test_contents_are_of_the_store_and_of_nobody(store, kit):
    said = contents(store)
    toy, far = (next(t for t in said["tasks"] if t["name"] == n) for n in ("toy", "far"))
    assert (toy["proteins"], far["proteins"]) == (11, 3)
    shorts = {p.fingerprint.short for p in store.encoders()}
    assert toy["coverage"]["encoders"] == dict.fromkeys(shorts, pytest.approx(9 / 11))
    assert far["coverage"]["encoders"] == dict.fromkeys(shorts, 0.0)
    assert toy["coverage"]["sources"] == {"pdb": pytest.approx(6 / 11)}
    assert said["histogram"]["longest"] == max(map(len, kit.proteins(12)))
    assert said["damaged"] == 0
    for secret in ("secret", "/home/me", str(store.path)):
        assert secret not in repr(said)


def test_every_parameter_of_a_question_arrives(store):
    with StoreServer([store]) as served:
        client = TestClient(application(served))

        def ask(path: str) -> dict:
            answer = client.get(f"/lab/{path}")
            assert answer.status_code == 200, answer.text
            return answer.json()

        assert ask("search?q=s0p3") == {"found": search(store, "s0p3")}
        for plm in ("enc", "other"):
            drawn = ask(f"map?task=toy&plm={plm}")
            assert (drawn["encoder"], drawn["task"]) == (plm, "toy")
            assert drawn == task_map(store, "toy", plm)
            near = ask(f"neighbours?q=s0p3&plm={plm}")
            assert near == neighbours(store, "s0p3", encoder=plm)
            assert len(near["queries"][0]["hits"]) == 9  # of at most ten by default
        assert ask("map?task=far&plm=enc")["task"] == "far"
        near = ask("neighbours?q=s0p3&plm=enc&count=2&in=toy&transfer=toy")
        expected = neighbours(store, "s0p3", encoder="enc", count=2, task="toy", transfer="toy")
        assert near == expected
        assert {"label", "reliability", "worth"} <= near["queries"][0].keys()
        assert client.get("/lab/search").status_code == 400
        answer = client.get("/lab/neighbours?q=s0p3")
        assert answer.status_code == 400
        assert "which encoder?" in answer.json()["error"]
        answer = client.get("/lab/neighbours?q=s0p3&count=1.5&plm=enc")
        assert answer.json()["error"] == "count is a number of hits, not '1.5'"
        assert client.get("/none/search?q=x").status_code == 404


def test_what_is_left_empty_is_not_said(store, monkeypatch):
    """As by a form whose fields nobody filled in."""
    monkeypatch.setattr(server, "task_map", lambda _, task, plm: [task, plm])
    monkeypatch.setattr(server, "neighbours", lambda _, q, **options: [q, options])
    with StoreServer([store]) as served:
        client = TestClient(application(served))
        assert client.get("/lab/map?task=t&plm=").json() == ["t", None]
        assert client.get("/lab/map?task=t&plm=p").json() == ["t", "p"]
        nothing = {"count": 10, "task": None, "transfer": None, "encoder": None}
        assert client.get("/lab/neighbours?q=x&in=&transfer=&plm=").json() == ["x", nothing]
        full = {"count": 123456, "task": "a", "transfer": "b", "encoder": "c"}
        answer = client.get("/lab/neighbours?q=x&count=1234567&in=a&transfer=b&plm=c")
        assert answer.json() == ["x", full]


@pytest.mark.parametrize(("count", "hits"), [(1, 1), (100, 9), (0, None), (101, None), (-1, None)])
def test_as_many_hits_as_are_asked_for(store, count, hits):
    if hits is None:
        with pytest.raises(InputError, match=f"ask for 1 to 100 hits, not {count}"):
            neighbours(store, "s0p3", count=count, encoder="enc")
    else:
        answer = neighbours(store, "s0p3", count=count, encoder="enc")
        assert [len(query["hits"]) for query in answer["queries"]] == [hits]
        assert (answer["searched"], answer["queries"][0]["id"]) == (9, "s0p3")


def test_means_are_meant_by_name_or_fingerprint(store):
    means = [p.fingerprint for p in store.encoders() if p.fingerprint.reduction]
    for fingerprint in means:
        answer = neighbours(store, "s0p3", encoder=fingerprint.short)
        assert answer["encoder"] == fingerprint.encoder
    with pytest.raises(InputError) as problem:
        neighbours(store, "s0p3")
    assert all(f"{f.encoder} ({f.short})" in str(problem.value) for f in means)
    with pytest.raises(NotStoredError, match="no such means"):
        neighbours(store, "s0p3", encoder="esm2")
    with pytest.raises(NotStoredError, match="with a mean fits"):
        neighbours(store, "s0p10", encoder="enc")  # known, but it has no mean


def test_of_two_stores_each_has_its_name(store, kit, tmp_path):
    places = [(tmp_path / "a/lab", 11), (tmp_path / "b/lab", 13)]
    others = [kit.fill(place, kit.proteins(count), ()) for place, count in places]
    with StoreServer([store, *others]) as served:
        assert list(served.stores) == ["lab", "lab-2", "lab-3"]
        assert [served.overlay(name).store for name in served.stores] == [store, *others]
        with pytest.raises(MissingFileError, match="no store is called 'x' here"):
            served.overlay("x")
        client = TestClient(application(served))
        listing = client.get("/catalogue.json").json()
        assert {name: (c["path"], c["proteins"]) for name, c in listing.items()} == {
            "lab": ("lab", 12), "lab-2": ("lab-2", 11), "lab-3": ("lab-3", 13),
        }  # fmt: skip
        for name, status in (("lab", 200), ("lab-3", 200), ("share", 404)):
            path = "index.json" if name == "share" else share_paths.INDEX
            assert client.get(f"/{name}/{path}").status_code == status
    with StoreServer([store]) as served:
        client = TestClient(application(served))
        assert client.get(f"/{share_paths.INDEX}").status_code == 200  # one needs no name
        assert client.get("/none/share/index.json").status_code == 404


def test_files_say_what_they_are_and_how_long_they_hold(store):
    with StoreServer([store]) as served:
        client = TestClient(application(served))
        (segment, *_) = store.path.glob("embeddings/*/2*")
        inside = segment.relative_to(store.path).as_posix()
        for path, life, kind in (
            (share_paths.INDEX, "no-cache", "application/json"),
            (f"{inside}/zarr.json", "max-age=31536000, immutable", "application/json"),
            (f"{inside}/values/c.0.0", "max-age=31536000, immutable", "application/octet-stream"),
        ):
            answer = client.get(f"/lab/{path}")
            assert answer.headers["cache-control"] == life
            assert answer.headers["content-type"] == kind
            assert client.head(f"/lab/{path}").headers["content-length"] == str(len(answer.content))
        for path in ("proteins.lmdb", f"share/bundles/{'0' * 64}", f"{inside}/values/c.9.0"):
            answer = client.get(f"/lab/{path}")
            assert (answer.status_code, answer.text) == (404, "there is nothing of that name\n")


@pytest.mark.parametrize("tokens", [(), ("a-token-that-is-long-enough",)])
def test_the_page_is_of_this_server_and_its_script_of_this_page(store, tokens):
    with StoreServer([store]) as served:
        client = TestClient(application(served, tokens), base_url="http://lab.org:8765")
        headers = {"authorization": f"Bearer {tokens[0]}"} if tokens else {}
        pages = [client.get("/", headers=headers) for _ in range(2)]
    nonces = []
    for answer in pages:
        (nonce,) = set(re.findall(r'<s(?:cript|tyle) nonce="(.*?)"', answer.text))
        policy = answer.headers["content-security-policy"]
        assert policy.count(f"'nonce-{nonce}'") == 2
        assert "sesstore pull http://lab.org:8765/lab<" in answer.text
        assert ("SESSTORE_TOKEN_FILE" in answer.text) is bool(tokens)
        nonces.append(nonce)
    assert nonces[0] != nonces[1]
    assert len(nonces[0]) >= 20


def test_an_answer_is_worked_out_again_once_the_store_has_changed(store, kit):
    with StoreServer([store]) as served:
        overlay, work = served.overlay("lab"), iter(range(9))
        assert [served.cached(overlay, "a", lambda: next(work)) for _ in range(2)] == [0, 0]
        assert served.cached(overlay, "b", lambda: next(work)) == 1
        store.add_proteins(kit.proteins(13))
        assert [served.cached(overlay, "a", lambda: next(work)) for _ in range(2)] == [2, 2]

        def fails() -> None:
            raise KeyError("for the moment")

        with pytest.raises(KeyError):
            served.cached(overlay, "c", fails)
        assert served.cached(overlay, "c", lambda: "at last") == "at last"


def test_everything_is_collected_before_the_first_request(store):
    with StoreServer([store]) as served:
        assert served.overlay("lab").state is None
        served.refresh()
        assert served.overlay("lab").state is not None
        folder = served.overlay("lab")._folder
    assert not folder.exists()
    assert server.names_of(Path("/")) == "store"
