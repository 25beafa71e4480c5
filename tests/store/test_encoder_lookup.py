"""An encoder of a store by what people call it, with a layer or without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sesstore.errors import FingerprintMismatchError, NotStoredError
from sesstore.provenance import Layer, Provenance, deepest, named_encoders
from sesstore.residues import Embedding
from sesstore.store import Store

from .conftest import embedding, proteins, provenance


@pytest.fixture
def layered(tmp_path) -> Store:
    """Layers 3 and 6 and a mean of one encoder, and another encoder."""
    store, (protein, *_) = Store.create(tmp_path / "store"), proteins(3)
    for made in (*map(of_layer, (3, 6, "mean:2")), provenance("other", layer=4)):
        with store.writer(made, {}) as writer:
            writer.add(embedding(protein, provenance()))
    return store


def of_layer(layer: Layer) -> Provenance:
    made = provenance()
    return replace(made, fingerprint=replace(made.fingerprint, layer=layer))


@pytest.mark.parametrize(
    ("query", "layer"),
    [("enc", 6), ("enc@3", 3), ("ENC@6", 6), ("enc@mean:2", "mean:2"), ("oth", 4), ("@3", 3)],
)
def test_a_layer_is_named_or_the_deepest(layered: Store, query: str, layer: Layer) -> None:
    assert layered.embeddings(query).provenance.fingerprint.layer == layer


def test_a_layer_that_is_not_stored_is_said_with_those_that_are(layered: Store) -> None:
    with pytest.raises(NotStoredError, match=r"layer 5 by enc, only of: 3, 6, mean:2.*--layer 5"):
        layered.embeddings("enc@5")


def test_several_encoders_are_never_chosen_from(layered: Store) -> None:
    with pytest.raises(FingerprintMismatchError, match="differ in encoder"):
        layered.embeddings()


def test_means_alone_are_not_ordered() -> None:
    two = [of_layer("mean:2").fingerprint, of_layer("mean:3").fingerprint]
    assert deepest(two) == two
    assert deepest([*two, of_layer(3).fingerprint])[0].layer == 3


def test_a_whole_name_goes_before_the_start_of_one() -> None:
    short, long = provenance("enc").fingerprint, provenance("encoder").fingerprint
    assert named_encoders([long, short], "enc") == [short]
    assert named_encoders([long, short], "en") == [long, short]
    assert named_encoders([long, short], short.digest[:9]) == [short]
    assert named_encoders([long, short], "") == []


def stored(store: Store, *provenances: Provenance) -> Store:
    """A store with one embedding of each."""
    (protein,) = proteins(1)
    for made in provenances:
        values = np.zeros((1 if made.fingerprint.reduction else len(protein), 6), np.float16)
        with store.writer(made, {}) as writer:
            writer.add(Embedding(protein.digest, values))
    return store


def test_means_are_found_by_their_fingerprint_alone(tmp_path) -> None:
    residues = provenance()
    means = replace(residues, fingerprint=residues.fingerprint.of_means)
    store = stored(Store.create(tmp_path / "both"), residues, means)
    for query in (None, "enc", "ENC@6", residues.fingerprint, residues.fingerprint.digest[:9]):
        assert store.embeddings(query).provenance == residues
    for query in (means.fingerprint, means.fingerprint.short):
        assert store.embeddings(query).provenance == means
    alone = stored(Store.create(tmp_path / "means"), means)
    for query in (None, "enc"):
        with pytest.raises(NotStoredError, match="has means of proteins by enc, but no embeddings"):
            alone.embeddings(query)
    assert alone.embeddings(means.fingerprint.short).provenance == means


def test_what_is_not_stored_is_said_with_what_is(tmp_path) -> None:
    made = provenance()
    store = Store.create(tmp_path / "s")
    with pytest.raises(NotStoredError, match="no embeddings yet"):
        store.embeddings(made.fingerprint)
    stored(store, made)
    short = made.fingerprint.short
    with pytest.raises(NotStoredError, match=rf"no embeddings by esm2, only by: enc \({short}\)"):
        store.embeddings("esm2")
    with pytest.raises(NotStoredError, match=r"layer 3 by enc, only of: 6\."):
        store.embeddings(replace(made.fingerprint, layer=3))
    with pytest.raises(NotStoredError, match=r"layer 3 by any encoder, only of: 6\. .*--layer 3"):
        store.embeddings("@3")
    for query in ("esm2@6", replace(made.fingerprint, encoder="esm2")):
        with pytest.raises(NotStoredError, match=rf"by esm2, only by: enc \({short}\)"):
            store.embeddings(query)


def test_of_an_encoder_with_other_settings_it_is_said_which(tmp_path) -> None:
    """Of the nearest one: a user sees what to set."""
    first = provenance()
    far = replace(first.fingerprint, precision="fp16", residue_mapping="other")
    store = stored(Store.create(tmp_path / "s"), first, replace(first, fingerprint=far))
    with pytest.raises(NotStoredError) as said:
        store.embeddings(replace(first.fingerprint, precision="bf16"))
    assert str(said.value).startswith(
        "the store has embeddings by enc of other settings only; they differ in "
        "precision ('bf16' against 'fp32'). "
    )


def test_only_what_differs_is_said_of_several(tmp_path) -> None:
    first = provenance()
    second = replace(first, fingerprint=replace(first.fingerprint, precision="bf16"))
    store = stored(Store.create(tmp_path / "s"), first, second)
    with pytest.raises(FingerprintMismatchError) as said:
        store.embeddings("enc")
    assert "They differ in precision ('" in str(said.value)
    shorts = {first.fingerprint.short, second.fingerprint.short}
    assert {word.strip(",.") for word in str(said.value).split()} >= shorts
    assert "layer" not in str(said.value)
