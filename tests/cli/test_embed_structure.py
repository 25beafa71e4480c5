"""`embed --source`: an encoder that reads structure tokens, from a store to a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import alphabet
from sesstore.encoders import published
from sesstore.errors import InputError
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.store import Store

pytest.importorskip("transformers")

from ..encoders.saprot_model import SPEC, write_small_saprot

PROTEINS = [Protein("one", "MKVLAAGH"), Protein("two", "MSTNPKPQRKX"), Protein("bare", "MWWYF")]


def tokens(protein: Protein, source: str, state: int) -> StructureTokens:
    codes = np.full(len(protein), state, np.uint8)
    return StructureTokens(protein.digest, source, {"foldseek": codes}, tool="test")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Three proteins, tokens of two of them from two sources."""
    monkeypatch.setitem(published.SPECS, "saprot_35m", SPEC)
    write_small_saprot(weights := tmp_path / "weights")
    monkeypatch.setenv("SESSTORE_WEIGHTS", str(weights))
    monkeypatch.setenv("SESSTORE_STORE", str(tmp_path / "store"))
    made = Store.create(tmp_path / "store")
    made.add_proteins(PROTEINS)
    for source, state in (("alphafold2", 3), ("pdb", 7)):
        made.add_tokens([tokens(protein, source, state) for protein in PROTEINS[:2]], {})
    made.flush()
    return made


def test_what_has_tokens_is_embedded_and_the_rest_counted(cli, store: Store) -> None:
    said = cli("embed", "--plm", "saprot_35m", "--source", "pdb", "--json")
    assert said.status == 1
    assert said.json["encoded"] == 2
    assert said.json["failed"] == {"bare": "it has no 3Di tokens from pdb"}
    assert "2 of them have tokens from pdb; the other 1 cannot be encoded" in said.err
    (provenance,) = Store.open(store.path).encoders()
    assert provenance.fingerprint.structure == "pdb"


def test_two_sources_are_two_encoders(cli, store: Store) -> None:
    for source in ("pdb", "alphafold2"):
        assert (
            cli("embed", "--plm", "saprot_35m", "--source", source, "--json").json["encoded"] == 2
        )
    prints = [p.fingerprint for p in Store.open(store.path).encoders()]
    assert {print_.structure for print_ in prints} == {"pdb", "alphafold2"}
    rows = [Store.open(store.path).embeddings(print_) for print_ in prints]
    digest = PROTEINS[0].digest
    one, other = (view.get(digest) for view in rows)
    assert np.abs(one.astype(np.float32) - other.astype(np.float32)).max() > 0.01
    listed = cli("info").out
    assert "SaProt_35M_AF2+pdb" in listed


def test_residues_of_low_confidence_are_masked_where_that_is_said(cli, store: Store) -> None:
    protein = PROTEINS[0]
    plddt = np.array([90, 40, 90, 69, 70, 90, 90, 90], np.uint8)
    state, mask = 3, alphabet("foldseek").mask
    for source, scores, states in (
        ("scores", plddt, np.full(8, state)),
        ("masked", None, np.where(plddt < 70, mask, state)),
    ):
        codes = {"foldseek": states.astype(np.uint8)[None]}
        store.add_tokens([StructureTokens(protein.digest, source, codes, scores)], {})
    store.flush()
    cli("embed", "--plm", "saprot_35m", "--source", "scores", "--min-plddt", "70")
    cli("embed", "--plm", "saprot_35m", "--source", "scores")
    cli("embed", "--plm", "saprot_35m", "--source", "masked")
    views = {}
    for provenance in Store.open(store.path).encoders():
        print_ = provenance.fingerprint
        views[print_.structure, "pLDDT<70" in print_.residue_mapping] = Store.open(
            store.path
        ).embeddings(print_)
    values = {name: view.get(protein.digest) for name, view in views.items()}
    np.testing.assert_array_equal(values["scores", True], values["masked", False])
    assert np.abs(values["scores", True] - values["scores", False]).max() > 0.01


def test_the_source_must_be_named_where_there_are_several(cli, store: Store) -> None:
    refused = cli("embed", "--plm", "saprot_35m")
    assert refused.status == 2
    assert "stored here: alphafold2, pdb" in refused.err
    assert cli("embed", "--plm", "saprot_35m", "--source", "md").status == 2


@pytest.mark.usefixtures("store")
def test_other_encoders_take_no_source(cli) -> None:
    refused = cli("embed", "--plm", "onehot", "--source", "pdb")
    assert refused.status == 2
    assert "reads the sequence alone" in refused.err


@pytest.mark.usefixtures("store")
def test_workers_of_a_cluster_have_no_tokens(cli) -> None:
    refused = cli("embed", "--plm", "saprot_35m", "--source", "pdb", "--engine", "ray")
    assert refused.status == 2
    assert "--partition" in refused.err


def test_tokens_that_were_read_are_not_replaced(cli, store: Store) -> None:
    cli("embed", "--plm", "saprot_35m", "--source", "pdb")
    same, others = tokens(PROTEINS[0], "pdb", 7), tokens(PROTEINS[0], "pdb", 8)
    assert store.add_tokens([same], {}, replace=True) == 0
    with pytest.raises(InputError, match="a --source of their own"):
        store.add_tokens([others], {}, replace=True)
    assert store.add_tokens([tokens(PROTEINS[2], "pdb", 1)], {}, replace=True) == 1
    assert store.add_tokens([tokens(PROTEINS[0], "alphafold2", 8)], {}, replace=True) == 1
    assert cli("embed", "--plm", "saprot_35m", "--source", "pdb", "--json").json["encoded"] == 1
