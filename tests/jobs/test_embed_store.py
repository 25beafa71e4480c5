"""Embedding by settings: what they say reaches the store, the encoder and the user."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.errors import InputError, NotStoredError, UnknownNameError
from sesstore.jobs.cluster.connection import Cluster
from sesstore.jobs.embed_store import EmbedSettings, embed_store
from sesstore.jobs.embedding.partition import Partition
from sesstore.proteins import Protein
from sesstore.provenance import circumstances
from sesstore.residues import StructureTokens
from sesstore.store import Store

from ..noting import Noting


@pytest.fixture(autouse=True)
def no_job_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)


def test_partitions_together_are_all_and_nothing_twice(
    store: Store, proteins: list[Protein]
) -> None:
    store.add_proteins(proteins)
    noting = Noting()
    counts = []
    for index in (1, 2):
        settings = EmbedSettings("onehot", partition=Partition(index, 2))
        report = embed_store(store, settings, progress=noting)
        counts.append(report.encoded)
        assert f"partition {index}/2: {report.encoded:,} sequences" in noting.notes
    assert sum(counts) == len(store.embeddings("onehot")) == store.count_proteins()
    assert min(counts) > 0
    stranger = [Protein("stranger", "MKVLAAG")]
    with pytest.raises(InputError, match="only one may write sequences"):
        embed_store(store, EmbedSettings("onehot", partition=Partition(1, 1)), stranger)


def test_type_means_and_layers_reach_the_store(store: Store, proteins: list[Protein]) -> None:
    noting = Noting()
    embed_store(store, EmbedSettings("onehot", dtype="int8"), proteins, progress=noting)
    residues = store.embeddings("onehot")
    assert residues.dtype == np.int8
    total = sum(map(len, proteins))
    (plan,) = (note for note in noting.notes if "to embed with" in note)
    assert f"{len(proteins):,} of {len(proteins):,} sequences" in plan
    assert f"{total:,} residues" in plan
    assert "on disk" in plan
    report = embed_store(store, EmbedSettings("onehot", means=True, dtype="float32"), proteins)
    (means,) = (stored for stored in store.encoders() if stored.fingerprint.reduction)
    assert means.dtype == "float32"
    assert report.encoded == len(proteins)
    again = embed_store(
        store, EmbedSettings("onehot", dtype="int8"), location="s3://lab", progress=noting
    )
    assert again.encoded == 0
    assert noting.notes[-1].endswith("already embedded with onehot: nothing to do")


def test_a_task_of_a_job_array_that_does_all_is_told(
    store: Store, proteins: list[Protein], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    noting = Noting()
    embed_store(store, EmbedSettings("onehot"), proteins, location="s3://lab", progress=noting)
    assert any("--partition slurm" in note for note in noting.notes)
    assert any(note.endswith("in s3://lab") for note in noting.notes)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"plm": "esm2_t3"}, UnknownNameError, "Did you mean"),
        ({"plm": "esm2_t12@6", "layers": "6"}, InputError, "names a layer already"),
        ({"plm": "esm2_t12", "layers": "13"}, InputError, "13"),
        ({"plm": "esm2_t12@13"}, InputError, "13"),
    ],
)
def test_a_wrong_name_is_known_before_anything_is_done(settings, error, message) -> None:
    with pytest.raises(error, match=message):
        EmbedSettings(**settings)


def test_means_may_be_of_what_was_imported(store: Store) -> None:
    settings = EmbedSettings("another tool's", means=True)
    with pytest.raises((UnknownNameError, NotStoredError)):
        embed_store(store, settings, [Protein("p", "MKV")])


def test_workers_cannot_read_the_stores_tokens(store: Store, proteins: list[Protein]) -> None:
    store.add_proteins(proteins)
    codes = {"foldseek": np.zeros((1, len(proteins[0])), np.uint8)}
    store.add_tokens([StructureTokens(proteins[0].digest, "pdb", codes)], circumstances())
    settings = EmbedSettings("saprot_650m", cluster=Cluster())
    with pytest.raises(InputError, match=r"Ray's workers have not.*--partition"):
        embed_store(store, settings)
    with pytest.raises(InputError, match="reads the sequence alone"):
        embed_store(store, EmbedSettings("onehot", min_plddt=70))
