"""Which encoder, queries and proteins a search means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import InputError, UnknownNameError, WeightsError
from sesstore.jobs.predicting.neighbour_search import (
    SearchOptions,
    query_proteins,
    search_neighbours,
)
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store

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
