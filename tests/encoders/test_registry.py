"""The table of encoders."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace

import pytest

from sesstore.encoders import registry
from sesstore.errors import UnknownNameError


def test_names_are_looked_up_in_any_case():
    assert registry.spec("ESM2_T33") is registry.spec("esm2_t33_650m_ur50d")
    assert len({s.name.casefold() for s in registry.specs()}) == len(registry.specs())


def test_did_you_mean():
    with pytest.raises(UnknownNameError, match="Did you mean 'esm2_t33'"):
        registry.spec("esm2_t333")


def test_listing_needs_no_torch():
    code = (
        "import sys; from sesstore.encoders import registry; registry.specs();"
        "print('torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_loading_reads_no_weights(tmp_path):
    file = tmp_path / "esm2_t6_8M_UR50D.pt"
    file.write_bytes(b"only hashed")
    encoder = registry.load("esm2_t6", weights=file)
    assert len(encoder.fingerprint.weights_sha256) == 64


def test_what_is_asked_for_is_in_the_fingerprint(tmp_path):
    file = tmp_path / "esm2_t6_8M_UR50D.pt"
    file.write_bytes(b"only hashed")
    made = registry.load("esm2_t6", weights=file, long="nterm", precision="bf16", device="cpu")
    fingerprint = made.fingerprint
    assert fingerprint.encoder == "esm2_t6_8M_UR50D"
    assert fingerprint.weights_sha256 == hashlib.sha256(b"only hashed").hexdigest()
    assert (fingerprint.layer, fingerprint.long_policy) == (6, "nterm(1022)")
    assert (fingerprint.precision, made.device.type) == ("bf16", "cpu")
    spec = registry.spec("esm2_t6")
    assert (made.licence, made.citation) == (spec.licence, spec.citation)
    assert spec.licence != spec.citation
    plain = registry.load("esm2_t6", weights=file, device="cpu").fingerprint
    assert (plain.long_policy, plain.precision) == ("windows(1022,256)", "fp32")
    other = registry.load("blosum62").fingerprint
    assert registry.titles([fingerprint, other, plain]) == [
        f"esm2_t6_8M_UR50D (bf16, {fingerprint.short})",
        "BLOSUM62",
        f"esm2_t6_8M_UR50D (fp32, {plain.short})",
    ]


def test_names_with_a_layer_are_short_full_or_as_they_are():
    assert registry.short_name("ESM2_T12_35M_UR50D") == "esm2_t12"
    assert registry.short_name("esm2_t12_35M_UR50D@-2") == "esm2_t12@11"
    assert registry.stored_name("ESM2_t12@last") == "esm2_t12_35M_UR50D@12"
    with pytest.raises(UnknownNameError):
        registry.short_name("nobodys@3")


def test_a_title_has_the_layer_where_it_is_not_the_last(tmp_path):
    file = tmp_path / "esm2_t6_8M_UR50D.pt"
    file.write_bytes(b"only hashed")
    last = registry.load("esm2_t6", weights=file, device="cpu").fingerprint
    between, mean = replace(last, layer=2), replace(last, layer="mean:2")
    assert registry.title(last) == "esm2_t6_8M_UR50D"
    assert registry.title(between) == "esm2_t6_8M_UR50D@2"
    assert registry.title(mean) == "esm2_t6_8M_UR50D@mean:2"
    assert registry.title(between.of_means) == "esm2_t6_8M_UR50D@2 means"
    assert registry.title(replace(between, imported_from="npz")) == "esm2_t6_8M_UR50D"
    assert registry.title(replace(last, encoder="hf:mine")) == "hf:mine@6"
    assert registry.title(replace(last, encoder="nobodys")) == "nobodys"


def test_an_encoder_is_loaded_as_a_fingerprint_tells(tmp_path):
    file = tmp_path / "esm2_t6_8M_UR50D.pt"
    file.write_bytes(b"only hashed")
    asked = {"weights": file, "device": "cpu"}
    for settings in (
        {},
        {"long": "nterm", "layers": "2"},
        {"precision": "bf16", "layers": "mean:3"},
    ):
        own = registry.load("esm2_t6", **settings, **asked).fingerprint
        assert registry.load_same(own, **asked).fingerprint == own
        other = registry.load_same(own, **asked, precision="fp16", layers="4").fingerprint
        assert other == replace(own, precision="fp16", layer=4)
        imported = replace(own, precision="not known")
        assert registry.load_same(imported, **asked).fingerprint == replace(own, precision="fp32")


def test_layers_that_are_asked_for_come_before_the_one_of_the_name(tmp_path):
    file = tmp_path / "esm2_t6_8M_UR50D.pt"
    file.write_bytes(b"only hashed")
    encoder = registry.load("esm2_t6@3", weights=file, device="cpu", layers="2,4")
    assert [fingerprint.layer for fingerprint in encoder.fingerprints] == [2, 4]
