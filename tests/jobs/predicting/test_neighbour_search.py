"""Which encoder, queries and proteins a search means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.errors import InputError, UnknownNameError, WeightsError
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.predicting.neighbour_search import (
    QueryResult,
    SearchOptions,
    query_proteins,
    search_neighbours,
)
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store

from ...noting import Noting
from ..conftest import labelled


@pytest.fixture
def imported(store: Store, proteins: list[Protein]) -> Store:
    """Embeddings by three encoders, as another tool's import leaves them."""
    store.add_proteins(proteins)
    rows = np.eye(4, dtype=np.float16)
    for name in ("prot_bert_bfd", "our_plm", "our_plm_large"):
        fingerprint = Fingerprint(name, "unknown", 30, "unknown", "unknown", "fp16", "npy")
        with store.writer(Provenance(fingerprint, 4), {}) as writer:
            for i, protein in enumerate(proteins):
                writer.add(Embedding(protein.digest, rows[[i % 4] * len(protein)]))
    return store


@pytest.mark.parametrize(
    ("plm", "encoder"),
    [("our_plm", "our_plm"), ("our_plm_l", "our_plm_large"), ("Prot_BERT_BFD", "prot_bert_bfd")],
)
def test_a_whole_name_goes_before_names_that_begin_with_it(
    imported: Store, proteins: list[Protein], plm: str, encoder: str
) -> None:
    options = SearchOptions(plm=plm, align=False)
    assert search_neighbours(imported, [proteins[0].id], options=options).encoder == encoder


def test_another_encoder_never_stands_in(imported: Store, proteins: list[Protein]) -> None:
    for plm, error in (
        ("prot_bert", WeightsError),  # one of ours, which the stored one's name begins with
        ("our_", InputError),
        ("their_plm", UnknownNameError),
    ):
        with pytest.raises(error):
            search_neighbours(imported, [proteins[0].id], options=SearchOptions(plm=plm))


def test_queries_are_ids_text_files_and_tasks_in_their_order(
    store: Store, proteins: list[Protein], tmp_path: Path
) -> None:
    labelled(store, proteins)
    store.add_proteins([Protein("p3", "MKVLWWW"), Protein("MKVLA", "WWWLL")])
    fasta = tmp_path / "x.fasta"
    fasta.write_text(">p3\nMKVLG\n>other\nMKVLH\n")
    queries = query_proteins(store, ["p3", "MKVLI", "MKVLA", str(fasta), "toy"])
    both = {("p3", proteins[3].sequence), ("p3", "MKVLWWW")}
    assert {(p.id, p.sequence) for p in queries[:2]} == both
    assert [(p.id, p.sequence) for p in queries[2:6]] == [
        ("seq3", "MKVLI"), ("MKVLA", "WWWLL"), ("p3", "MKVLG"), ("other", "MKVLH"),
    ]  # fmt: skip
    rows = {digest.tobytes() for s in store.task("toy").splits.values() for digest in s.digests}
    assert {p.digest for p in queries[6:]} == rows
    assert len(queries[6:]) == len(rows)


def test_another_store_is_searched_by_its_own_encoder(
    imported: Store, proteins: list[Protein], tmp_path: Path
) -> None:
    home = Store.create(tmp_path / "home")
    options = SearchOptions(plm="our_plm", align=False, count=3)
    wrong, missing = Protein("wrong", "MKVLAGG"), "its residues are not stored"
    report = search_neighbours(home, [proteins[5].sequence], str(imported.path), options)
    assert (report.encoder, report.searched, report.without_mean) == ("our_plm", 40, 0)
    (query,) = report.queries
    assert query.hits[0].similarity == pytest.approx(1, abs=1e-3)
    imported.add_proteins([wrong])
    fasta = tmp_path / "x.fasta"
    fasta.write_text(f">a\n{proteins[0].sequence}\n>wrong\n{wrong.sequence}\n")
    report = search_neighbours(imported, [proteins[0].id], str(fasta), options)
    assert (report.searched, report.without_mean) == (1, 1)
    assert list(report.failed) == ["wrong"]
    assert report.failed["wrong"].startswith(missing)
    everything = search_neighbours(imported, [proteins[0].id], None, options)
    assert (everything.searched, everything.without_mean) == (40, 1)
    twice = [Protein("two", "MKVLAWW"), Protein("two", "MKVLAWY")]
    fasta.write_text("".join(f">{p.id}\n{p.sequence}\n" for p in twice))
    report = search_neighbours(imported, [str(fasta)], None, options)
    assert (list(report.failed), report.queries) == (["two", "two (2)"], [])


def test_means_are_made_of_what_is_searched_alone_and_queries_are_not_kept(
    store: Store, proteins: list[Protein], encoder: Encoder, tmp_path: Path, monkeypatch
) -> None:
    store.add_proteins(proteins)
    embed(store, encoder, proteins[:6])
    asked: list[dict[str, object]] = []
    load_same = registry.load_same
    monkeypatch.setattr(
        registry, "load_same", lambda print_, **given: asked.append(given) or load_same(print_)
    )
    fasta = tmp_path / "x.fasta"
    fasta.write_text("".join(f">{p.id}\n{p.sequence}\n" for p in proteins[4:8]))
    options = SearchOptions(count=3, align=False, weights=Path("w.pt"), device="cpu")
    progress = Noting()
    report = search_neighbours(store, ["MKVLAWWW"], str(fasta), options, progress=progress)
    assert (report.searched, report.without_mean, len(report.queries[0].hits)) == (4, 0, 3)
    assert asked
    assert all(given == {"weights": Path("w.pt"), "device": "cpu"} for given in asked)
    assert progress.notes[0].startswith("4 proteins have no mean yet")
    (residues,), (means,) = store.residue_encoders(), [
        p for p in store.encoders() if p.fingerprint.reduction
    ]  # fmt: skip
    assert len(store.embeddings(residues.fingerprint).digests) == 6
    stored = store.embeddings(means.fingerprint).digests
    assert {row.tobytes() for row in stored} == {p.digest for p in proteins[4:8]}
    rows = report.queries[0].rows()
    assert [(row["query"], row["rank"]) for row in rows] == [("seq1", n) for n in (1, 2, 3)]
    plain = report.to_json()["queries"][0]["hits"]
    assert [row["id"] for row in rows] == [hit["id"] for hit in plain]


def test_an_encoder_that_nothing_is_stored_by_is_loaded_as_options_say(
    store: Store, proteins: list[Protein], monkeypatch
) -> None:
    store.add_proteins(proteins[:2])
    calls: list[tuple[str, dict[str, object]]] = []

    def load(plm: str, **given: object) -> None:
        calls.append((plm, given))
        raise SystemExit

    monkeypatch.setattr(registry, "load", load)
    options = SearchOptions(plm="onehot", weights=Path("w.pt"), device="cpu")
    with pytest.raises(SystemExit):
        search_neighbours(store, ["p0"], options=options)
    assert calls == [("onehot", {"weights": Path("w.pt"), "device": "cpu"})]


def test_a_task_or_a_file_goes_before_an_id_and_a_sequence(
    store: Store, proteins: list[Protein], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labelled(store, proteins)
    store.add_proteins([Protein("toy", "MKVLWWW"), Protein("MKV", "WWWLL")])
    assert len(query_proteins(store, ["toy"])) == 39
    Path("MKV").touch()
    with pytest.raises(InputError, match="'MKV' cannot be read"):
        query_proteins(store, ["MKV"])
    assert QueryResult("q", 3, []).rows() == []
