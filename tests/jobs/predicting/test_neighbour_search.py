"""Which encoder a search means."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.errors import InputError, UnknownNameError, WeightsError
from sesstore.jobs.predicting.neighbour_search import SearchOptions, search_neighbours
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store


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
